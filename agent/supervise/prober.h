/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps a prober running while dependencies are configured: starts it, watches its beat, replaces it when it dies or
 * hangs, more seldom the more often it does. Holds both ends of its socket, the beat and the board.
 * Threads: the supervisor. Failure: no prober now, another try later; said once. Neither agent nor service notice.
 */
#ifndef LS_SUPERVISE_PROBER_H
#define LS_SUPERVISE_PROBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/probe_plan.h"
#include "base/settings.h"
#include "supervise/kin.h"
#include "supervise/patience.h"

struct prober {
	const struct settings *settings;
	struct kin_helpers *helpers;
	pid_t pid;                          /* 0: none runs */
	int agent_end, prober_end;          /* of the socket pair; -1: none could be made */
	int beat_fd, board_fd;
	const struct probe_beat *beat;
	const struct probe_board *board;
	bool ordered_to_die;
	bool said_no_start;
	struct patience patience;
	int64_t started, next_start; /* CLOCK_MONOTONIC ns */
	unsigned quick;              /* in a row that lived too shortly */
};

/* `settings` and `helpers` are kept. 0 or -errno: then there will be no prober, and agent_end is -1. */
int prober_open(struct prober *out, const struct settings *settings, struct kin_helpers *helpers);

/* In a new agent: closes what is the prober's. */
void prober_leave(struct prober *prober);

/* Each tick. `late`: ns after the planned time. True when its pid has changed. */
bool prober_tick(struct prober *prober, int64_t late);

/* Before the pid is reaped: ends what the prober has started. */
void prober_zombie(const struct prober *prober, pid_t pid);

/* True when it was the prober. */
bool prober_reaped(struct prober *prober, pid_t pid, int status, bool ending);

void prober_close(struct prober *prober);

/* bin/lifesign-prober beside the running program. False: that cannot be told. */
bool prober_find(char *out, size_t bytes);

#endif
