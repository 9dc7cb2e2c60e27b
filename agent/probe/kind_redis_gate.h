/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches RESP go by and says when to stop: hiredis makes room for as many elements as an answer announces, and
 * visits each of them when it gives up: 2^31 of them took 45 s.
 * Threads: any. Failure: false. Memory: plain data; all zero is the beginning of a connection.
 */
#ifndef LS_KIND_REDIS_GATE_H
#define LS_KIND_REDIS_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REDIS_ELEMENTS = 1 << 12, REDIS_BYTES = 1 << 18 };

struct redis_gate {
	uint64_t number;        /* of the line so far */
	uint64_t skip;          /* bytes of a text that are still to come */
	char type, last;        /* of the line; the byte before */
	bool in_line, negative; /* -1: there is none */
};

/* False: an array or text longer than any answer that was asked for. */
bool redis_gate_pass(struct redis_gate *gate, const char *bytes, size_t count);

#endif
