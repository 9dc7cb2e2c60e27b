/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All services of an agent: one for `run`, as many as join for `lifesign agent`. Takes the supervisor's news,
 * runs the tick over all of them with one census and one grace period, and shows the worst as the whole.
 * Threads: the sampler alone. Memory: one block a service, freed when it is gone.
 */
#ifndef LS_FLEET_H
#define LS_FLEET_H

#include "watch/dependencies.h"
#include "watch/service.h"

enum { FLEET_FDS = 2 }; /* of a message: {segment, notebook} */

struct fleet {
	struct service_common common;
	struct dependencies dependencies;
	struct notebook own;       /* with many services, of the agent itself */
	struct service **services; /* [0] is the only one of `run` */
	uint32_t *ids;             /* of services[i] */
	unsigned count, room;
	unsigned turn;             /* who is looked at first at the next tick */
	uint32_t reloads;          /* asked for so far, by the news */
	bool introduced;           /* has heard of all services that there were when it began */
	int64_t census_read, census_cost, root_published;
};

/* 0 or -errno: what an agent must have cannot be used. */
int fleet_start(struct fleet *fleet, const struct child_setup *setup);

/* A message of the supervisor's. Descriptors that came with it (-1: none) are the fleet's from here on. */
void fleet_take_news(struct fleet *fleet, const struct supervisor_news *news, const int fds[FLEET_FDS]);

/* One tick. `now` is CLOCK_BOOTTIME ns. */
void fleet_tick(struct fleet *fleet, int64_t now);

/* A tick came late. */
void fleet_count_overrun(struct fleet *fleet);

/* An event of the agent's, kept with each service. */
void fleet_note(struct fleet *fleet, enum event_what what, const char *from, const char *to, const char *subject);

/* The settings were read again, or refused. */
void fleet_configure(struct fleet *fleet, bool taken);

/* Writes out what is recorded; no tick follows. */
void fleet_end_recording(struct fleet *fleet);

/* True when the only service, that of `run`, is over. */
bool fleet_is_over(const struct fleet *fleet);

/* Readable when there is something to tell before the next tick; -1: never. */
int fleet_wakes(const struct fleet *fleet);

/* Requests answered, in memory that the next agent inherits. */
uint64_t *fleet_counters(struct fleet *fleet);

#endif
