/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks names up off the path of the attempts: one thread asks (c-ares: resolv.conf, /etc/hosts, search domains),
 * everybody else waits for its answer no longer than he wants. Addresses are kept for their TTL, and the last good
 * ones as long as the name servers cannot answer. nsswitch modules other than files and dns are not asked.
 *
 * Threads: any; the thread is started by the first question. Failure: an answer that says so. Memory: fixed,
 * RESOLVER_NAMES; the longest unused name is forgotten.
 */
#ifndef LS_RESOLVER_H
#define LS_RESOLVER_H

#include "probe/attempt.h"

enum { RESOLVER_NAMES = 512 };

enum resolver_answer {
	RESOLVER_GOOD,
	RESOLVER_NO_NAME, /* the servers say that there is none */
	RESOLVER_SILENT,  /* no answer until then */
	RESOLVER_FAILED   /* no server can answer: `why` */
};

/* At most until `until` (CLOCK_MONOTONIC ns). Ports are 0. Each call begins with another of the addresses. */
enum resolver_answer resolver_ask(const char *host, int64_t until, struct attempt_address out[ATTEMPT_ADDRESSES],
	unsigned *count, char *why, size_t why_bytes);

/* Nobody answers at its addresses: the next question looks it up again. */
void resolver_doubt(const char *host);

#endif
