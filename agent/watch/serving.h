/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does a thread wait on the service's front: on a set of descriptors that holds a listener or, beside
 * others, an accepted connection? Epoll sets are read from fdinfo, poll and select sets from the thread's memory.
 * Threads: the sampler. Failure: what cannot be read does not serve.
 */
#ifndef LS_SERVING_H
#define LS_SERVING_H

#include <stdbool.h>
#include <stdint.h>

#include "watch/listeners.h"
#include "watch/tree.h"
#include "watch/view.h"

/* Is this a call that can wait on descriptors of the front at all? */
bool serving_is_possible(uint32_t op);

bool serving_look(const struct process_row *row, const struct slot_record *record, struct listeners *listeners, int64_t now);

#endif
