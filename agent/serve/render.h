/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bodies of the answers: pure functions of a standing and a request. A new endpoint is one of these and
 * one row of the route table (route.c).
 */
#ifndef LS_RENDER_H
#define LS_RENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "serve/request.h"
#include "serve/standing.h"

struct route;

/* What is the same for every request of this agent. */
struct render_setup {
	bool details, debug;
	uint64_t *request_counters; /* atomic: any HTTP thread adds */
};

/* An answer being made. */
struct reply {
	unsigned code;
	const char *content_type; /* static */
	struct buf body;
};

typedef void render_function(struct reply *reply, const struct standing *standing,
	const struct request *request, const struct render_setup *setup);

render_function render_livez, render_readyz, render_startupz; /* render_checks.c */
render_function render_health;                                /* render_health.c */
render_function render_status;                                /* render_status.c */
render_function render_services, render_agent_livez;          /* render_agent.c */
render_function render_metrics;                               /* render_metrics.c */
render_function render_browser;                               /* render_browser.c */

#endif
