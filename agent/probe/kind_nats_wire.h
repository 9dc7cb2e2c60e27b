/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protocol of NATS as a client reads it. No I/O, nothing kept: what a server sent is taken apart here and
 * nowhere else.
 * Threads: any. Failure: NATS_GARBAGE, false. Memory: pointers point into what was given.
 */
#ifndef LS_PROBE_KIND_NATS_WIRE_H
#define LS_PROBE_KIND_NATS_WIRE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/probe_wire.h"

enum { NATS_ROOM = 1 << 16 }; /* no operation that is read here is longer */

enum nats_verb { NATS_MORE, NATS_GARBAGE, NATS_INFO, NATS_PING, NATS_PONG, NATS_OK, NATS_ERR, NATS_MESSAGE };

struct nats_operation {
	enum nats_verb verb;
	size_t used;      /* bytes that it took */
	const char *text; /* of INFO and -ERR; the payload of a message */
	size_t length;
	const char *headers; /* of a message; NULL none */
	size_t headers_length;
};

/* The first operation of the bytes. MORE: it is not whole yet. */
void nats_next(const char *bytes, size_t count, struct nats_operation *out);

struct nats_info {
	bool tls_required, lame_duck;
	char nonce[128]; /* empty: none */
};
bool nats_read_info(const char *text, size_t length, struct nats_info *out);

/* What an -ERR means. */
enum probe_error nats_error(const char *text, size_t length);

/* What JetStream answers about a consumer: PROBE_OK and how many messages it has not done yet, or what is
 * wrong. */
enum probe_error nats_read_consumer(
	const struct nats_operation *message, double *behind, char *why, size_t why_bytes);

#endif
