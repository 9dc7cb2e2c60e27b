/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The addresses of a host one after the other, for kinds whose library connects by itself: each within its
 * share of what is left, as attempt_connect does it, so that one that swallows packets does not cost the others
 * their turn. Threads: the dependency's own. Failure: as attempt.h says. Memory: plain data.
 */
#ifndef LS_TURNS_H
#define LS_TURNS_H

#include "probe/attempt.h"

struct turns {
	const char *host;
	struct attempt_address list[ATTEMPT_ADDRESSES];
	unsigned count, next;
	int64_t until;                 /* of the present one, CLOCK_MONOTONIC ns */
	char number[INET6_ADDRSTRLEN]; /* of the present one, for the library */
};

/* False after it has failed (dns_…). */
bool turns_begin(struct turns *turns, struct attempt *attempt, const char *host, unsigned port);

/* The next address; notes it in the result; the phase is CONNECT. False when there is none or the time is over.
 */
bool turns_next(struct turns *turns, struct attempt *attempt);

/* Waits for events of fd until the present one's turn is over: then, or when poll fails, false and not failed.
 */
bool turns_wait(const struct turns *turns, int fd, short events);

/* All in vain: fails with that errno (ETIMEDOUT: connect_timeout) of the last address. Always false. */
bool turns_fail(const struct turns *turns, struct attempt *attempt, int error);

#endif
