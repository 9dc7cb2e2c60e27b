/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/ladder_parts.h"

#define SECOND INT64_C(1000000000)
#define NEVER INT64_MAX

/*
 * The progress rows. Witness: what of the kernel stands behind a `dead`, beside the slots.
 *
 *   loop_blocked       a loop left its wait and sleeps; work waits      /proc: state, syscall, futex address;
 * sock_diag loop_spinning      a loop left its wait, is in no call and runs     /proc: CPU time of the thread;
 * sock_diag pool_exhausted     connections wait, nobody takes them, and all     sock_diag: accept queue; /proc
 * of each worker who could are away no_progress        nothing of the tree runs; work waits             /proc:
 * CPU time and switches of each process idle_with_backlog  work waits elsewhere and everybody is at home none:
 * never dead unless set
 */
static const struct {
	enum reason_code code;
	int64_t limit;               /* when none is given */
	int64_t degraded, not_ready; /* at most */
} rows[ROW_COUNT] = {
	[ROW_LOOP_BLOCKED] = {REASON_LOOP_BLOCKED, 30 * SECOND, SECOND, 5 * SECOND},
	[ROW_LOOP_SPINNING] = {REASON_LOOP_SPINNING, 60 * SECOND, SECOND, 5 * SECOND},
	[ROW_POOL_EXHAUSTED] = {REASON_POOL_EXHAUSTED, 60 * SECOND, SECOND, 5 * SECOND},
	[ROW_NO_PROGRESS] = {REASON_NO_PROGRESS, 30 * SECOND, SECOND, 10 * SECOND},
	[ROW_IDLE_WITH_BACKLOG] = {REASON_IDLE_WITH_BACKLOG, 0, 30 * SECOND, NEVER},
};

/* Each false alarm makes a limit half as long again, up to ten times. */
enum { ALARMS_AT_MOST = 6 };
static const unsigned stretched[ALARMS_AT_MOST + 1] = {100, 150, 225, 337, 506, 759, 1000}; /* percent */

enum reason_code ladder_code(enum ladder_row row)
{
	return rows[row].code;
}

unsigned ladder_stretch(uint32_t alarms)
{
	return stretched[alarms < ALARMS_AT_MOST ? alarms : ALARMS_AT_MOST];
}

static int64_t configured(enum ladder_row row, const struct ladder_limits *limits)
{
	switch (row) {
	case ROW_LOOP_BLOCKED: return limits->loop_blocked;
	case ROW_LOOP_SPINNING: return limits->loop_spinning;
	case ROW_POOL_EXHAUSTED: return limits->pool_exhausted ? limits->pool_exhausted : rows[row].limit;
	case ROW_NO_PROGRESS: return limits->no_progress;
	default: return limits->idle_with_backlog;
	}
}

static int64_t lower(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

struct row_limits row_limits(enum ladder_row row, const struct climb *climb)
{
	uint32_t alarms = climb->ladder->learned.alarms[row];
	int64_t limit = configured(row, &climb->frame->limits), base = limit ? limit : rows[row].limit;
	struct row_limits out = {rows[row].degraded, rows[row].not_ready, NEVER};

	if (base) {
		base = base / 100 * (int64_t)ladder_stretch(alarms);
		out.degraded = lower(rows[row].degraded, base / 4);
		out.not_ready = rows[row].not_ready == NEVER ? NEVER : lower(rows[row].not_ready, base / 2);
	}
	if (limit)
		out.dead = base;
	return out;
}

enum ladder_level level_of(const struct row_limits *limits, int64_t stood, int64_t worked, bool may_die)
{
	if (may_die && worked >= limits->dead)
		return LEVEL_DEAD;
	if (stood >= limits->not_ready)
		return LEVEL_NOT_READY;
	return stood >= limits->degraded ? LEVEL_DEGRADED : LEVEL_NONE;
}
