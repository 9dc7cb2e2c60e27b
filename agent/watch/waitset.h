/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The descriptors that a thread waits on in poll, select, epoll or accept. Epoll sets are read from fdinfo, poll and
 * select sets from the thread's memory. A set larger than WAITSET_FDS is judged by its first members.
 * Threads: the sampler. Failure: what cannot be read has no members.
 */
#ifndef LS_WAITSET_H
#define LS_WAITSET_H

#include "watch/tree.h"
#include "watch/view.h"

enum { WAITSET_FDS = 128 };

struct waitset {
	int fds[WAITSET_FDS];
	unsigned count;
	bool given; /* the set is made for one call, it does not outlive it */
};

/* False when the call is none of these. */
bool waitset_read(const struct process_row *row, const struct slot_record *record, struct waitset *out);

#endif
