/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which path is answered how: one table (route.c). A new endpoint is one row at its end and one renderer.
 */
#ifndef LS_ROUTE_H
#define LS_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "serve/render.h"
#include "serve/serve.h"

enum { ROUTE_ALIASES = 3 };

enum route_flag {
	ROUTE_CHECKS = 1,  /* PATH/NAME asks for one check */
	ROUTE_HEADERS = 2, /* the answer depends on headers of the request */
	ROUTE_DETAILS = 4, /* and differs for those who may see details */
	ROUTE_SHARED = 8,  /* without parameters it is the same for everyone until the next snapshot */
	ROUTE_UNIX = 16,   /* exists on unix listeners only */
	ROUTE_RELOAD = 32, /* tells the agent to read its configuration again; has no renderer */
	ROUTE_MAINTENANCE = 128, /* takes it out of service, or back: ?for=SECONDS, ?off */
	ROUTE_SUSPECT = 512, /* ?suspect: a sibling has seen a dependency fail */
	ROUTE_LOCAL = 256, /* exists on loopback and unix listeners only, unless details are for all */
	ROUTE_AGENT = 64   /* the agent's own: not below /services/NAME */
};

struct route {
	const char *path;
	const char *aliases[ROUTE_ALIASES];
	unsigned methods;  /* enum request_method */
	const char *allow; /* the same in words */
	render_function *render;
	unsigned flags;
};

/* The path behind /services/NAME and that NAME; the path itself, and NULL, when it does not start so. */
const char *route_strip_service(const char *path, const char **name, size_t *length);

/* NULL: no such path. `check` becomes NAME of PATH/NAME, or NULL. */
const struct route *route_find(const char *path, enum peer_kind peer, const char **check);

/* Which of a snapshot's rendered[] this answer may share; -1: none. */
int route_shared_index(const struct route *route, const struct request *request, enum freshness freshness);

/* Counts one answer; route NULL: a path that does not exist. */
void route_count(uint64_t *counters, const struct route *route, unsigned code);

/* The label values of counter [path][code]; NULL and 0 where no such counter exists. */
const char *route_counter_path(unsigned path);
unsigned route_counter_code(unsigned code);
uint64_t route_counter(const uint64_t *counters, unsigned path, unsigned code);

#endif
