/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which services an agent has: one with `lifesign run`, any number with `lifesign agent`.
 * Threads: main. Failure: an agent that does not say by the deadline (clock_mono_ns) is -errno.
 */
#ifndef LS_CLIENT_SERVICES_H
#define LS_CLIENT_SERVICES_H

#include <stddef.h>
#include <stdint.h>

#include "cli/client.h"

enum { SERVICES_KEPT = 64 };

/* For people to pick from: sorted at the end, those beyond SERVICES_KEPT are only counted. */
struct services {
	char names[SERVICES_KEPT][SERVICE_NAME_BYTES];
	unsigned kept, count;
};

void services_add(struct services *services, const char *name);

/* Adds what the agent there lists: 0 or -errno. */
int services_add_listed(struct services *services, const struct client_place *place, int64_t deadline);

/* "a, b, c", with ", …" when there are more. */
void services_join(struct services *services, char *out, size_t bytes);

/* Says that one of them must be named: EXIT_USAGE. */
int services_refuse(struct services *services);

/* From here on the place is that of one service there: 1; 0 there is none of that name; or -errno. */
int services_enter(struct client_place *place, const char *name, int64_t deadline);

#endif
