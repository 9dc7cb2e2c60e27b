/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor's whole state, shared by supervise.c (start, loop, end) and service.c (what happens to
 * COMMAND). Owner: its only thread.
 */
#ifndef LS_SUPERVISOR_H
#define LS_SUPERVISOR_H

#include "supervise/environment.h"
#include "supervise/handout.h"
#include "supervise/keeper.h"
#include "supervise/listen.h"
#include "supervise/on_dead.h"
#include "supervise/reclaim.h"
#include "supervise/relay.h"
#include "supervise/signals.h"
#include "supervise/terminal.h"

struct supervisor {
	const struct settings *settings;
	pid_t self;
	struct signals signals;
	struct terminal terminal;
	struct listen listening;
	struct segment segment;
	struct reclaim reclaim;
	struct handout handout;
	struct relay relay;
	struct kin_helpers helpers;
	struct keeper keeper;
	struct on_dead on_dead;
	int record_fd; /* of settings.record; -1: none */
	/* COMMAND, or what counts as main since it daemonized */
	pid_t main;
	pid_t main_group;
	bool daemonized;
	int64_t elect_until; /* CLOCK_MONOTONIC ns: until then a session leader may still turn up */
	int status;          /* wait status of the last main */
	bool over;
	/* the first request to end, until it is forwarded */
	struct signalfd_siginfo drain_signal;
	int64_t drain_due; /* CLOCK_MONOTONIC ns, 0 = none waits */
	bool asked_to_end; /* COMMAND was told */
	int64_t tick_due;  /* CLOCK_MONOTONIC ns */
};

/* COMMAND runs. */
void main_begin(struct supervisor *supervisor, pid_t pid);

/* Reads what the signalfd has, acts on it, reaps. */
void main_take_signals(struct supervisor *supervisor);

/* What is due by the clock: the drain, the election of a main process, the terminal. */
void main_tick(struct supervisor *supervisor, int64_t mono);
void main_forward_due(struct supervisor *supervisor, int64_t mono);

#endif
