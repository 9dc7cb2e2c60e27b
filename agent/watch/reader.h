/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The questions of reach.h and who answers them: this process itself, or a child under another uid that
 * gets them over a socket. Both run reader_answer.
 * Threads: the sampler asks; a reader is a single-threaded process and ends when its socket does.
 */
#ifndef LS_READER_H
#define LS_READER_H

#include <stdint.h>
#include <sys/types.h>

#include "watch/reach.h"

enum reader_kind { READER_FILE, READER_LINK, READER_MEMORY, READER_SOCKETS };

struct reader_question {
	uint32_t kind; /* enum reader_kind */
	int32_t pid;
	uint64_t address;
	uint32_t bytes; /* at most REACH_BYTES */
	char name[REACH_NAME];
};

/* Async-signal-safe: a reader is forked from a process that has threads. Bytes put into `buffer` or -errno. */
ssize_t reader_answer(const struct reader_question *question, void *buffer);

/* Forks a reader under uid and gid. Returns its socket and sets *pid, or -errno. */
int reader_start(uid_t uid, gid_t gid, pid_t *pid);

/* Asks a reader; it has 50 ms. -EPIPE: it is of no use any more, end it. */
ssize_t reader_ask(int fd, const struct reader_question *question, void *buffer);

/* For a child that is forked without exec: closes all descriptors but the first three and this one. */
void reader_close_others(int keep);

#endif
