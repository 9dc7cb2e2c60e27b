/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP side of an agent: answers every probe from the snapshot that was published last.
 *
 * Threads: serve_start makes one HTTP thread for each listener and one that ends connections which stay too
 * long; all of them are named lifesign-http and block every signal. Start and stop belong to one thread.
 * Failure: a request that cannot be answered is answered 500; nothing here ends the process.
 */
#ifndef LS_SERVE_H
#define LS_SERVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/child.h"

/*
 * How many counters of requests there are. Their order is the route table's; they live in memory that the
 * next agent inherits, so that they never fall.
 */
enum { SERVE_PATHS = 16, SERVE_CODES = 8, SERVE_COUNTERS = SERVE_PATHS * SERVE_CODES };

struct serve_setup {
	const struct child_listener *listeners;
	unsigned listener_count;
	bool details, debug, log_requests;
	int64_t tick_ns;
	uint64_t *request_counters; /* SERVE_COUNTERS of them, in shared memory, atomic adds only; NULL: private
				       ones */
	void (*on_reload)(void);    /* called by an HTTP thread; NULL: /reload does not exist */
	void (*on_maintenance)(int64_t seconds); /* the same: out of service for so long, < 0 without end, 0 not any more */
	void (*on_suspect)(void);   /* the same, NULL: nobody listens: a sibling has seen a dependency fail */
	const char *service;        /* for answers before the first snapshot; NULL: "" */
	const char *service_version; /* NULL or empty: unknown */
};

/* Copies what it needs of the setup (strings are kept by pointer). Returns 0 or -errno: then nothing runs. */
int serve_start(const struct serve_setup *setup);

/*
 * Ends every connection and thread. The listening sockets stay as they are: they are shared with the
 * supervisor, and what waits in their queues is for the next agent.
 */
void serve_stop(void);

#endif
