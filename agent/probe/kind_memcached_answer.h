/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What memcached's lines mean, in whatever pieces they come.
 * Threads: any. Failure: an outcome that says so. Memory: plain data; all zero but `wanted` is the beginning of
 * an answer.
 */
#ifndef LS_KIND_MEMCACHED_ANSWER_H
#define LS_KIND_MEMCACHED_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/probe_wire.h"

enum { MEMCACHED_LINE = 1024, MEMCACHED_LINES = 20000 };

enum memcached_outcome {
	MEMCACHED_MORE,   /* the answer goes on */
	MEMCACHED_DONE,   /* VERSION, STORED, END */
	MEMCACHED_LOGIN,  /* it wants to be told who asks */
	MEMCACHED_FAILED, /* `error` and `line` */
};

struct memcached_answer {
	const char *wanted; /* a name of `stats`; NULL: none */
	char line[MEMCACHED_LINE];
	size_t length;
	unsigned lines;
	enum probe_error error;
	bool has_value, is_number;
	double value;
};

/* Takes `count` bytes; nothing behind the end of the answer is looked at. */
enum memcached_outcome memcached_answer_take(struct memcached_answer *answer, const char *bytes, size_t count);

#endif
