/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's side of the prober: tells it what to ask, takes its answers, keeps what they mean on the board for the
 * next agent. One for all services of an agent: the file's dependencies are common to them.
 *
 *   dependencies.c        the tick: answers in, judged, told
 *   dependencies_plan.c   the plan for the prober, and taking over another file
 *   dependencies_open.c   failOpen: what siblings say, and who waits for a dependency
 *   dependencies_board.c  states and counts that outlive the agent
 *
 * Threads: the sampler. Failure: whatever the prober sends, a bounded number of messages a tick is looked at; what is
 * no result is dropped and counted. Memory: by number of dependencies, freed with the next file.
 */
#ifndef LS_WATCH_DEPENDENCIES_H
#define LS_WATCH_DEPENDENCIES_H

#include "base/child.h"
#include "base/probe_plan.h"
#include "judge/dependencies.h"

struct snapshot;

struct dependencies {
	int socket, board_fd;
	struct probe_board *board; /* NULL: no prober, no memory for the next agent */
	char service[SERVICE_NAME_BYTES];
	struct dependency_set *set; /* NULL: none are configured */
	struct dependency_state *states;
	struct dependency_standing *standing, *told; /* now; at the tick before */
	struct probe_result *newest;
	uint64_t *identities;
	struct dependency_limits limits;
	struct dependency_summary summary;
	int64_t period_ns, timeout_ns, fast_ns;
	int64_t nudged;       /* when a dependency was asked for because somebody waits for it */
	int64_t suspected;    /* when they were because a sibling has seen one fail */
	bool plan_due;        /* the prober is to be told */
	int64_t work;  /* the sum of values of `work: true` */
	bool work_known, work_falls;
	bool heard;    /* a result came that is not yet shown */
	bool said_garbage, said_soft, said_no_plan;
	uint64_t garbage;     /* messages that were none */
	unsigned generation;  /* another value: an answer may have changed */
};

/* 0 or -errno: then dependencies stay unknown. */
int dependencies_start(struct dependencies *out, const struct child_setup *setup);

/* After settings were read: takes settings_dependencies() over. */
void dependencies_configure(struct dependencies *dependencies, const struct settings *settings);

/* Each tick, and when its socket is readable. True when status or reasons may have changed. */
bool dependencies_tick(struct dependencies *dependencies, int64_t now);

/* A sibling has seen a dependency fail. Any thread. */
void dependencies_suspect(void);

/* What the last tick has changed, one after the other from *at = 0; false at the end. */
struct dependency_change {
	const char *name, *from, *to;
	enum probe_error error; /* PROBE_OK: none */
};
bool dependencies_change(const struct dependencies *dependencies, unsigned *at, struct dependency_change *out);

/* Adds reasons to the verdicts. */
void dependencies_judge_into(const struct dependencies *dependencies, struct verdicts *out);

/* Into a snapshot that is being made. */
void dependencies_fill(const struct dependencies *dependencies, struct snapshot *out);

/* The name of one by reason.dependency, "" for 0. */
const char *dependencies_name(const struct dependencies *dependencies, unsigned dependency);

/* Somebody has waited since `since` for this one (index + 1, 0 none): failOpen, which keeps the service ready while it is
 * down, does so for who waits for it; and until it is known whether it is down. Asks for it then. */
bool dependencies_forgive(struct dependencies *dependencies, unsigned dependency, int64_t since, int64_t now);

/* The one that has this numeric address ("10.0.0.1:5432"): index + 1, or 0. Names the peer of a wait. */
unsigned dependencies_at(const struct dependencies *dependencies, const char *address);

/* The sum of values of `work: true`, and whether it became less with the newest of them: false when none is known. */
bool dependencies_backlog(const struct dependencies *dependencies, int64_t *out, bool *falls);

/* ---- parts */
void board_load(struct dependencies *dependencies);
void board_keep(struct dependencies *dependencies, unsigned index);
void board_count(struct dependencies *dependencies, unsigned index, const struct probe_result *result);
/* Looks at once at what a sibling has seen fail; and asks them when a failure is the first of a fall. */
void open_suspect(struct dependencies *dependencies, int64_t now);
void open_tell_siblings(struct dependencies *dependencies, unsigned index, int64_t now);
bool open_wants_again(const struct dependencies *dependencies, unsigned index, int64_t now);
void open_read_peers(struct dependencies *dependencies, int64_t now);
/* True when failOpen stands otherwise than before. */
bool open_follow(const struct dependencies *dependencies, const struct dependency_summary *before, int64_t now);
void plan_send(struct dependencies *dependencies);
void plan_ask_again(const struct dependencies *dependencies, unsigned index, int64_t at);

#endif
