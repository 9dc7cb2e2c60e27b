/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of the contract for each value of judge/record.h, one table each. They are stable: machines
 * read them in probes, metrics and logs.
 */
#include "judge/record.h"

#include <stddef.h>

enum { LIVE = 1, READY = 2, STARTUP = 4 }; /* the probes that a code is a check of */

static const char *const verdicts[VERDICT_COUNT] = {
	[VERDICT_UNKNOWN] = "unknown",
	[VERDICT_ALIVE] = "alive",
	[VERDICT_DEGRADED] = "degraded",
	[VERDICT_DEAD] = "dead",
};

static const char *const thread_states[THREAD_STATE_COUNT] = {
	[THREAD_RUNNING] = "running",
	[THREAD_IDLE] = "idle",
	[THREAD_LOCK] = "lock",
	[THREAD_IO] = "io",
	[THREAD_SLEEP] = "sleep",
	[THREAD_UNSEEN] = "unseen",
};

static const char *const thread_roles[THREAD_ROLE_COUNT] = {
	[THREAD_MAIN] = "main",
	[THREAD_LOOP] = "loop",
	[THREAD_LISTENER] = "listener",
	[THREAD_WORKER] = "worker",
};

static const char *const process_roles[PROCESS_ROLE_COUNT] = {
	[PROCESS_MAIN] = "main",
	[PROCESS_WORKER] = "worker",
	[PROCESS_CHILD] = "child",
};

static const char *const coverages[COVERAGE_COUNT] = {
	[COVERAGE_SHIM] = "shim",
	[COVERAGE_OUTSIDE] = "outside",
	[COVERAGE_SLOTS] = "slots",
	[COVERAGE_NONE] = "none",
};

static const struct {
	const char *text;
	unsigned checks;
} reasons[REASON_COUNT] = {
	[REASON_NONE] = {"none", 0},
	[REASON_EXITED] = {"exited", LIVE | READY},
	[REASON_DEADLOCK] = {"deadlock", LIVE | READY},
	[REASON_ORPHANED_LOCK] = {"orphaned_lock", LIVE | READY},
	[REASON_LOOP_BLOCKED] = {"loop_blocked", LIVE | READY},
	[REASON_LOOP_SPINNING] = {"loop_spinning", LIVE | READY},
	[REASON_POOL_EXHAUSTED] = {"pool_exhausted", LIVE | READY},
	[REASON_NO_PROGRESS] = {"no_progress", LIVE | READY},
	[REASON_IDLE_WITH_BACKLOG] = {"idle_with_backlog", LIVE | READY},
	[REASON_DEPENDENCY_WAIT] = {"dependency_wait", READY},
	[REASON_IO_WAIT] = {"io_wait", READY},
	[REASON_SUSPENDED] = {"suspended", READY},
	[REASON_FROZEN] = {"frozen", READY},
	[REASON_CORE_DUMP] = {"core_dump", READY},
	[REASON_STARTING] = {"starting", READY | STARTUP},
	[REASON_START_TIMEOUT] = {"start_timeout", READY | STARTUP},
	[REASON_DRAINING] = {"draining", READY},
	[REASON_MAINTENANCE] = {"maintenance", READY},
	[REASON_DEPENDENCY_DOWN] = {"dependency_down", READY},
	[REASON_QUEUE_FULL] = {"queue_full", READY},
	[REASON_MEMORY_PRESSURE] = {"memory_pressure", READY},
	[REASON_THREAD_LEAK] = {"thread_leak", READY},
	[REASON_FD_EXHAUSTION] = {"fd_exhaustion", READY},
	[REASON_STALE] = {"stale", READY},
	[REASON_TRACED] = {"traced", 0},
	[REASON_STARVED] = {"starved", 0},
	[REASON_PAUSED] = {"paused", 0},
	[REASON_FAIL_OPEN] = {"fail_open", 0},
};

static const char *const helds[HELD_COUNT] = {
	[HELD_NO] = NULL,
	[HELD_SUSPENDED] = "suspended",
	[HELD_TRACED] = "traced",
	[HELD_FROZEN] = "frozen",
	[HELD_CORE_DUMP] = "core_dump",
	[HELD_PAUSED] = "paused",
	[HELD_STARTING] = "starting",
	[HELD_DRAINING] = "draining",
	[HELD_DEPENDENCY_WAIT] = "dependency_wait",
	[HELD_IO_WAIT] = "io_wait",
	[HELD_OBSERVE] = "observe",
};

static const char *const events[EVENT_WHAT_COUNT] = {
	[EVENT_LIVE] = "live",
	[EVENT_READY] = "ready",
	[EVENT_STARTUP] = "startup",
	[EVENT_AGENT] = "agent",
	[EVENT_COVERAGE] = "coverage",
	[EVENT_CONFIG] = "config",
	[EVENT_DEPENDENCY] = "dependency",
};

const char *verdict_text(enum verdict verdict)
{
	return verdicts[verdict];
}

const char *thread_state_text(enum thread_state state)
{
	return thread_states[state];
}

const char *thread_role_text(enum thread_role role)
{
	return thread_roles[role];
}

const char *process_role_text(enum process_role role)
{
	return process_roles[role];
}

const char *coverage_text(enum coverage coverage)
{
	return coverages[coverage];
}

const char *reason_text(enum reason_code code)
{
	return reasons[code].text;
}

const char *held_text(enum held_code held)
{
	return helds[held];
}

const char *event_text(enum event_what what)
{
	return events[what];
}

bool reason_is_live(enum reason_code code)
{
	return reasons[code].checks & LIVE;
}

bool reason_is_ready(enum reason_code code)
{
	return reasons[code].checks & READY;
}

bool reason_is_startup(enum reason_code code)
{
	return reasons[code].checks & STARTUP;
}
