/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request, from its path to the queued response: whose health is asked, which page, and which of the
 * snapshot's shared responses. Threads: any HTTP thread. Failure: 500, or no answer at all without memory.
 */
#ifndef LS_ANSWER_H
#define LS_ANSWER_H

#include <stdint.h>

#include "serve/http.h"
#include "serve/request.h"

struct MHD_Connection;

struct asked {
	const char *url, *method; /* the library's; the path is percent-decoded */
	enum peer_kind peer;
	int64_t now; /* CLOCK_BOOTTIME ns */
};

/* Queues the response and counts it. Returns its code, 0 when none was queued. */
unsigned answer_request(
	struct MHD_Connection *connection, const struct http_service *service, const struct asked *asked);

/* Destructor of snapshot.rendered[]. */
void answer_destroy_rendered(void *rendered);

#endif
