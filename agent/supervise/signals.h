/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every signal of the supervisor comes in through one descriptor. Blocked signals reach a signalfd even
 * where their default is to be ignored, as for PID 1; no handler is ever installed, so that COMMAND
 * inherits what it would have inherited.
 * Threads: the supervisor. Failure: -errno. Memory: plain data.
 */
#ifndef LS_SIGNALS_H
#define LS_SIGNALS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/signalfd.h>
#include <sys/types.h>

struct signals {
	int fd;
	sigset_t mask_before;
	struct sigaction child_before; /* SIGCHLD ignored would take our children's statuses away */
	uint64_t ignored_before;       /* bit n: signal n was ignored when we started */
};

enum signal_plan {
	SIGNAL_OURS,    /* nothing to forward: our own doing, or SIGCHLD */
	SIGNAL_DRAIN,   /* asks the service to end */
	SIGNAL_FORWARD, /* for COMMAND, at once */
	SIGNAL_STOP,    /* job control: stop COMMAND, then ourselves */
	SIGNAL_CONTINUE
};

/* Blocks all signals and opens the descriptor. */
int signals_take(struct signals *out);

/* In a child, before exec: as it was before signals_take. Async-signal-safe. */
void signals_give_back(const struct signals *signals);

/* In the agent: polite signals are for the supervisor to act upon, the rest is as usual. */
void signals_reset_for_agent(void);

enum signal_plan signals_plan(const struct signals *signals, const struct signalfd_siginfo *info, pid_t self);

/* Sends on what came in, with its value if it was queued with one. */
void signals_forward(pid_t pid, const struct signalfd_siginfo *info);

#endif
