/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `liveness.onDead`: a command that is run once when the agent finds a service dead, before livez says so. Its
 * output becomes log lines; when it has ended, or has had its time and was killed with its process group, the
 * agent hears of it by the news.
 * Threads: the supervisor; nothing here waits. Failure: a command that cannot be run counts as run.
 * Memory: plain data.
 */
#ifndef LS_ON_DEAD_H
#define LS_ON_DEAD_H

#include "base/child.h"
#include "supervise/kin.h"
#include "supervise/signals.h"

/* With `agent` several services may die at a time; more of them than this are told dead without a command. */
enum { ON_DEAD_RUNS = 8, ON_DEAD_LINE = 512 };

struct on_dead_run {
	struct supervisor_news *news; /* of the service; NULL: it is gone */
	uint32_t service;
	char name[SERVICE_NAME_BYTES];
	pid_t pid;       /* and its process group; 0: this row is free */
	int output;      /* -1: closed */
	int64_t started; /* CLOCK_MONOTONIC ns */
	bool killed, alive_again;
	unsigned lines;
	size_t used;
	char line[ON_DEAD_LINE];
};

struct on_dead {
	const struct settings *settings;
	struct kin_helpers *helpers; /* whom its processes are told to; NULL: nobody counts them as the service's */
	const struct signals *signals;
	const int *nice; /* how nice its processes are, NULL: as we are */
	int events; /* epoll of outputs; -1: there is no such command */
	struct on_dead_run runs[ON_DEAD_RUNS];
};

void on_dead_open(struct on_dead *out, const struct settings *settings, struct kin_helpers *helpers, const struct signals *signals);
void on_dead_close(struct on_dead *on_dead);

/* In a new agent: the descriptors alone. */
void on_dead_leave(struct on_dead *on_dead);

/* What the agent says of a service, whose `news` change by it. True: the agent is to be told. */
bool on_dead_hear(struct on_dead *on_dead, const struct agent_notice *notice, struct supervisor_news *news);

/* `news` will be no more. With NULL nothing is done. */
void on_dead_forget(struct on_dead *on_dead, const struct supervisor_news *news);

/* When `events` is readable. */
void on_dead_serve(struct on_dead *on_dead);

/* Kills what has had its time; how long the next one still has, CLOCK_MONOTONIC ns, INT64_MAX: none runs. */
void on_dead_tick(struct on_dead *on_dead, int64_t mono);
int64_t on_dead_due(const struct on_dead *on_dead);

/* `pid` has ended and will be reaped now. */
void on_dead_zombie(struct on_dead *on_dead, pid_t pid);

/* `pid` was reaped: true when it was such a command; `news`, when not NULL, are to be told. */
bool on_dead_reaped(struct on_dead *on_dead, pid_t pid, int status, const struct supervisor_news **news);

#endif
