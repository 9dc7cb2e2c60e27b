/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps an agent running: forks it, tells it the news, watches its beat, replaces it when it dies or is
 * stuck. Whatever happens to agents, COMMAND is not touched.
 * Threads: the supervisor. Failure: no agent now, another try at the next tick; said once.
 */
#ifndef LS_KEEPER_H
#define LS_KEEPER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/child.h"
#include "supervise/kin.h"
#include "supervise/patience.h"
#include "supervise/prober.h"
#include "watch/notebook.h"

struct keeper {
	struct child_setup setup;     /* what each agent is born with */
	struct supervisor_news news;  /* what it is told; the newest state */
	struct kin_helpers *helpers;
	void (*in_child)(void *);     /* closes in the agent what only the supervisor may hold */
	void *in_child_context;
	pid_t pid;                    /* 0: none runs */
	int news_fd;                  /* our end; -1: none */
	bool news_waits;              /* its socket was full */
	bool ordered_to_die;          /* we sent the SIGKILL, because it was stuck */
	bool said_no_fork;
	const struct notebook_head *head;
	struct patience patience;
	struct patience_crashes crashes;
	int64_t next_start; /* CLOCK_MONOTONIC ns, when none runs */
	struct prober prober; /* the other one */
};

/* Makes the notebook and forks nothing yet. `setup` without notebook and news. 0 or -errno. */
int keeper_open(struct keeper *out, const struct child_setup *setup, struct kin_helpers *helpers);

/* CLOCK_MONOTONIC ns when the next agent is to be started; INT64_MAX while one runs or none is wanted. */
int64_t keeper_due(const struct keeper *keeper);

void keeper_start_agent(struct keeper *keeper);

/* To be called after each change of `news`, and when the agent's socket takes data again. */
void keeper_tell(struct keeper *keeper);

/* What the agent has to say, one at a time; false: nothing more. */
bool keeper_hear(struct keeper *keeper, struct agent_notice *out);

/* Each tick: starts one that is due, replaces one that is stuck. `late`: ns after the planned time. */
void keeper_tick(struct keeper *keeper, int64_t late);

/* `pid` has ended and will be reaped now: the last moment at which its number is surely its own. */
void keeper_zombie(struct keeper *keeper, pid_t pid);

/* `pid` was reaped: true when it was the agent; another one is started at once, unless `ending`. */
bool keeper_reaped(struct keeper *keeper, pid_t pid, int status, bool ending);

/* Tells the agent that it is over by closing its news. */
void keeper_dismiss(struct keeper *keeper);

/* Waits for the agent's own end, at most so long. */
void keeper_wait(struct keeper *keeper, int ms);

/* Kills the agent and its readers. */
void keeper_close(struct keeper *keeper);

#endif
