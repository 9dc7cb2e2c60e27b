/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What answers of dependencies mean for readiness: thresholds both ways, hard, soft and info, groups of which some
 * are enough, who is down because of whom, and when to serve all the same. Pure: plain data in, plain data out.
 */
#ifndef LS_JUDGE_DEPENDENCIES_H
#define LS_JUDGE_DEPENDENCIES_H

#include "base/dependency_set.h"
#include "base/probe_wire.h"
#include "judge/verdict.h"

enum { DEPENDENCY_NOBODY = -1, DEPENDENCY_REASONS = 6 };

struct dependency_limits {
	unsigned failure_threshold, success_threshold;
	int64_t stale_ns;    /* without a result for so long nothing is known any more */
	bool all_hard_down;  /* failOpen: all hard ones down, two or more on different hosts, is nobody's own fault */
	double peer_share;   /* … or so many of the siblings fail as well; 0: not asked */
	double peers_failing; /* share of them, < 0 unknown */
	int64_t peers_began;   /* when they were asked for that, CLOCK_BOOTTIME ns */
	int64_t peers_wait_ns; /* so long what falls gates nothing, until they were asked about it */
};

/* What is kept of one between its results. Zeroes to begin with. */
struct dependency_state {
	int64_t began, ended, good, since; /* CLOCK_BOOTTIME ns: newest result, last success, present status */
	enum probe_status status;          /* after the thresholds; PROBE_UNKNOWN before the first */
	enum probe_error error;            /* of that status */
	uint32_t failures, successes;      /* in a row */
	bool has_value;
	double value;
	int64_t latency_ns;
};

/* Adds a result: true when status or error have changed. One that was seen before, or is older, changes nothing. */
bool dependency_learn(
	struct dependency_state *state, const struct probe_result *result, const struct dependency_limits *limits);

/* The newest result and the status contradict each other: ask again soon. */
bool dependency_disagrees(const struct dependency_state *state);

/* One as it stands now. */
struct dependency_standing {
	enum probe_status status;
	enum probe_error error;
	int64_t since;
	int root;     /* index of the one because of which it is down; DEPENDENCY_NOBODY */
	bool gates;   /* it makes the service not ready */
	bool minor;   /* it degrades */
	bool covered; /* it is down, and enough of its group are not */
};

struct dependency_frame {
	const struct dependency_set *set;
	const struct dependency_state *states; /* as many as in the set */
	const struct dependency_limits *limits;
	int64_t now;
	bool open; /* nothing of this made the service not ready until now */
};

struct dependency_summary {
	bool gates, degraded, fail_open;
	bool asking;   /* it gates, but the siblings have not yet been asked whether it does so at theirs, too */
	int64_t since; /* … of the last one that fell, while failing open */
};

/* Ready, as far as dependencies go. */
bool dependencies_open(const struct dependency_summary *summary);

void dependencies_judge(
	const struct dependency_frame *frame, struct dependency_standing *out, struct dependency_summary *summary);

/* Adds what was found to what verdict_judge() has said. */
void dependencies_tell(const struct dependency_set *set, const struct dependency_standing *standing,
	const struct dependency_summary *summary, struct verdicts *out);

#endif
