/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/route.h"

#include <string.h>

#define READ_METHODS METHOD_GET | METHOD_HEAD, "GET, HEAD"

static const struct route routes[] = {
	{"/livez", {"/live", "/health/live", "/healthz"}, READ_METHODS, render_livez,
		ROUTE_CHECKS | ROUTE_SHARED},
	{"/readyz", {"/ready", "/health/ready"}, READ_METHODS, render_readyz, ROUTE_CHECKS | ROUTE_SHARED},
	{"/startupz", {"/startup", "/health/startup"}, READ_METHODS, render_startupz,
		ROUTE_CHECKS | ROUTE_SHARED},
	{"/metrics", {NULL}, READ_METHODS, render_metrics, ROUTE_HEADERS},
	{"/health", {NULL}, READ_METHODS, render_health, ROUTE_HEADERS | ROUTE_DETAILS | ROUTE_SHARED | ROUTE_SUSPECT},
	{"/health/status", {NULL}, READ_METHODS, render_status, ROUTE_HEADERS | ROUTE_DETAILS | ROUTE_SHARED},
	{"/reload", {NULL}, METHOD_POST, "POST", NULL, ROUTE_UNIX | ROUTE_RELOAD | ROUTE_AGENT},
	{"/services", {NULL}, READ_METHODS, render_services, ROUTE_AGENT},
	{"/agent/livez", {NULL}, READ_METHODS, render_agent_livez, ROUTE_SHARED | ROUTE_AGENT},
	{"/maintenance", {NULL}, METHOD_POST, "POST", NULL, ROUTE_UNIX | ROUTE_MAINTENANCE | ROUTE_AGENT},
	{"/", {NULL}, READ_METHODS, render_browser, ROUTE_HEADERS | ROUTE_DETAILS | ROUTE_LOCAL},
};

enum { ROUTES = sizeof routes / sizeof routes[0], OTHER_PATH = SERVE_PATHS - 1 };

_Static_assert((int)ROUTES < (int)SERVE_PATHS, "the last counter is for paths that do not exist");
/* New codes at the end: counters outlive the agent that made them. The last one is for all others. */
static const unsigned codes[SERVE_CODES] = {200, 202, 400, 404, 405, 500, 503, 0};

/* True when the path is `base`, or `base`/NAME where the route has checks. */
static bool path_matches(const struct route *route, const char *base, const char *path, const char **check)
{
	size_t length = strlen(base);

	if (strncmp(path, base, length) != 0)
		return false;
	*check = NULL;
	if (path[length] == '\0')
		return true;
	if (!(route->flags & ROUTE_CHECKS) || path[length] != '/')
		return false;
	*check = path + length + 1;
	return **check != '\0' && !strchr(*check, '/');
}

static bool route_matches(const struct route *route, const char *path, const char **check)
{
	if (path_matches(route, route->path, path, check))
		return true;
	for (unsigned i = 0; i < ROUTE_ALIASES && route->aliases[i]; i++)
		if (path_matches(route, route->aliases[i], path, check))
			return true;
	return false;
}

const char *route_strip_service(const char *path, const char **name, size_t *length)
{
	static const char prefix[] = "/services/";

	*name = NULL;
	*length = 0;
	if (strncmp(path, prefix, sizeof prefix - 1) != 0)
		return path;
	*name = path + sizeof prefix - 1;
	*length = strcspn(*name, "/");
	return *name + *length;
}

const struct route *route_find(const char *path, enum peer_kind peer, const char **check)
{
	for (const struct route *route = routes; route < routes + ROUTES; route++) {
		if (!route_matches(route, path, check))
			continue;
		return (route->flags & ROUTE_UNIX) && peer != PEER_UNIX ? NULL : route;
	}
	return NULL;
}

int route_shared_index(const struct route *route, const struct request *request, enum freshness freshness)
{
	int row = 0;

	if (!(route->flags & ROUTE_SHARED) || request->check || request->verbose || request->exclude_count)
		return -1;
	for (const struct route *before = routes; before < route; before++)
		if (before->flags & ROUTE_SHARED)
			row += before->flags & ROUTE_DETAILS ? 2 : 1;
	if ((route->flags & ROUTE_DETAILS) && request->details)
		row++;
	row = row * FRESHNESS_COUNT + (int)freshness;
	return row < SNAPSHOT_RENDERED ? row : -1;
}

void route_count(uint64_t *counters, const struct route *route, unsigned code)
{
	unsigned path = route ? (unsigned)(route - routes) : OTHER_PATH;
	unsigned column = 0;

	while (column < SERVE_CODES - 1 && codes[column] != code)
		column++;
	__atomic_fetch_add(
		&counters[path * SERVE_CODES + column], 1, __ATOMIC_RELAXED); /* a number on its own */
}

const char *route_counter_path(unsigned path)
{
	return path < ROUTES ? routes[path].path : path == OTHER_PATH ? "other" : NULL;
}

unsigned route_counter_code(unsigned code)
{
	return codes[code];
}

uint64_t route_counter(const uint64_t *counters, unsigned path, unsigned code)
{
	return __atomic_load_n(&counters[path * SERVE_CODES + code], __ATOMIC_RELAXED); /* as in route_count */
}
