/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent tells the prober, and what both leave for their successors.
 *
 *   plan    a memfd: what to ask and how often. Comes with PROBE_TAKE by SCM_RIGHTS; the prober copies it.
 *   request agent -> prober, over the socket on which results come back
 *   hello   prober -> agent: a new one, which knows nothing
 *   board   a memfd of the agent's: how its dependencies stand, for the next agent; the supervisor reads `wanted`
 *   beat    a memfd of the prober's: its sign of life for the supervisor
 *
 * The supervisor keeps all of it open, so that agent and prober may die at any moment. Ownership: plain data.
 */
#ifndef LS_PROBE_PLAN_H
#define LS_PROBE_PLAN_H

#include "base/dependency_set.h"
#include "base/probe_wire.h"

enum { PROBE_PLAN_VERSION = 1, PROBE_HELLO_BYTES = 16 };

struct probe_plan {
	uint32_t version, reserved;
	int64_t period_ns, timeout_ns;
	char service[64]; /* who asks */
	struct dependency_set set; /* with its list behind it */
};

enum probe_request_kind {
	PROBE_TAKE, /* a new plan comes with it; its last results are told again where the epoch is the same */
	PROBE_AGAIN /* ask this dependency at `at`, when its turn is later */
};

struct probe_request {
	uint32_t version, kind;
	uint64_t epoch;
	uint32_t dependency, reserved;
	int64_t at; /* CLOCK_BOOTTIME ns */
};

/* Shorter than any result. */
struct probe_hello {
	uint32_t version, pid;
	uint64_t reserved;
};
_Static_assert(sizeof(struct probe_hello) == PROBE_HELLO_BYTES, "told apart by its size");

struct probe_beat {
	uint64_t beat; /* atomic: turns of the prober's engine */
};

/* The state of one dependency between two results: judge/dependencies.h keeps it. */
struct probe_row {
	uint64_t check; /* of all that follows; another value: as if never written */
	uint64_t name;  /* hash of the dependency as configured: another one begins anew */
	int64_t began, ended, good, since; /* CLOCK_BOOTTIME ns; 0 never */
	uint32_t status, error, failures, successes;
	double value;
	uint32_t has_value, reserved;
	int64_t latency_ns;
};

enum { PROBE_BUCKETS = 12 };
enum probe_outcome { OUTCOME_SUCCESS, OUTCOME_DEGRADED, OUTCOME_FAILURE, OUTCOME_TIMEOUT, OUTCOMES };

/* What metrics count of one dependency: never falls, whoever dies. */
struct probe_counts {
	uint64_t outcomes[OUTCOMES];
	struct {
		uint64_t buckets[PROBE_BUCKETS]; /* each with its own, not with those below */
		uint64_t count;
		int64_t sum_ns;
	} phases[PHASES];
};

/* The upper bound of a bucket. */
int64_t probe_bucket_ns(unsigned bucket);

enum { PROBE_BOARD_VERSION = 1 };

struct probe_board {
	uint32_t version;
	uint32_t wanted; /* atomic: how many dependencies there are; 0: no prober is needed */
	int64_t maintenance_until; /* CLOCK_BOOTTIME ns, INT64_MAX without end, 0 none */
	int64_t maintenance_since;
	struct probe_row rows[DEPENDENCIES];
	struct probe_counts counts[DEPENDENCIES]; /* of the row's dependency */
};

#endif
