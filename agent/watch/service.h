/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that the sampler knows of one service, and the steps of a tick: sweep, look, judge.
 * Threads: the sampler alone. Memory: one static struct in agent.c.
 */
#ifndef LS_SERVICE_H
#define LS_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "judge/verdict.h"
#include "state/snapshot.h"
#include "base/child.h"
#include "watch/listeners.h"
#include "watch/notebook.h"
#include "watch/port.h"
#include "watch/slots.h"
#include "watch/tree.h"

struct service {
	const struct child_setup *setup;
	struct snapshot_seat *seat;
	struct settings settings; /* replaced by a reload */
	struct supervisor_news news;
	struct notebook notebook;
	struct slots slots;
	struct tree tree;
	struct listeners listeners;
	struct port_check port;
	struct verdicts verdicts;
	bool covered;   /* a process that counts leaves traces */
	bool unsettled; /* a process is too young to tell */
	/* when facts were first seen; 0 = they do not hold (CLOCK_BOOTTIME ns) */
	int64_t exited, suspended, main_waiting;
	/* usage of the service, from the last pass over its processes */
	uint32_t open_fds;
	bool open_fds_known;
	int64_t tree_read, listeners_read, published, saved;
	double sweep_seconds;
	char config_error[SNAPSHOT_DETAIL];
};

/* 0 or -errno: the segment or the notebook cannot be used. */
int service_start(struct service *service, const struct child_setup *setup);

/* One tick. `now` is CLOCK_BOOTTIME ns. */
void service_tick(struct service *service, int64_t now);

/* After new settings were taken over. */
void service_configure(struct service *service);

#endif
