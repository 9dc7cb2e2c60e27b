/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps a listener open for probes whatever clients do with their connections: none may stay for long
 * without asking anything, and near the limit the one that is missed least makes room for the newcomer.
 * Refusing newcomers instead would let a few hundred slow clients lock every probe out.
 *
 * Threads: the listener's HTTP thread admits, touches and dismisses; another one reaps.
 * Memory: guests live in one array; a guest is valid from admit to dismiss.
 */
#ifndef LS_GUARD_H
#define LS_GUARD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "serve/request.h"

enum {
	GUARD_FRESH_SECONDS = 10, /* a connection's first request takes no longer */
	GUARD_IDLE_SECONDS = 60,  /* nor does the next one; scrapers come each 15 to 60 s */
	GUARD_POLITE_SECONDS = 1, /* idle that long after an answer: loses nothing by being closed */
	GUARD_PER_ADDRESS = 64,   /* idle connections of one client; its own make room beyond that */
	GUARD_MARGIN = 16         /* room for newcomers while the library closes what was ended here */
};

struct guest {
	int fd;      /* -1: a free place */
	bool doomed; /* shut down; the library has not closed it yet */
	enum peer_kind kind;
	uint8_t address[16]; /* IPv6 or mapped IPv4 */
	size_t uploaded;     /* owner: HTTP thread */
	int64_t since; /* atomic: HTTP thread writes, reaper reads: CLOCK_BOOTTIME ns of the last request, at
			  first of the connect */
	unsigned requests; /* atomic: as since */
};

struct guard {
	pthread_mutex_t lock;
	unsigned limit, count, doomed, top; /* guarded by lock; no guest at or above top */
	struct guest *guests;               /* limit of them; guarded by lock */
};

/* 0 or -errno. */
int guard_start(struct guard *guard, unsigned limit);
void guard_stop(struct guard *guard);

/* A connection that was just accepted. NULL: there is no place; the caller may serve it all the same. */
struct guest *guard_admit(struct guard *guard, int fd, const struct sockaddr *peer, int64_t now);

/* A request of this guest is answered now. */
void guard_touch(struct guest *guest, int64_t now);

/* Before the descriptor is closed. */
void guard_dismiss(struct guard *guard, struct guest *guest);

/* Ends every connection that stayed too long; returns how many. */
unsigned guard_reap(struct guard *guard, int64_t now);

#endif
