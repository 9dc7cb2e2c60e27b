/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/ladder_parts.h"

/* A dispatcher is none of those whom it gives work to, though a runtime begins all its threads with one
 * routine. */
static bool is_of_its_pool(const struct ladder_look *look)
{
	return look->pool && !(look->role == THREAD_LOOP && look->accepts);
}

void pool_count(struct climb *climb, const struct ladder_look *look)
{
	if (!is_of_its_pool(look) || look->pool > climb->frame->pools)
		return;
	climb->ladder->pools[look->pool].size++;
	climb->ladder->pools[look->pool].away += look_is_away(look);
}

static bool takes_connections(const struct ladder_look *look)
{
	return look->role == THREAD_LISTENER || (look->role == THREAD_LOOP && look->accepts);
}

static bool is_of_a_pool(const struct climb *climb, const struct ladder_look *look)
{
	return look->pool && look->pool <= climb->frame->pools && climb->ladder->pools[look->pool].size > 1;
}

static bool pool_is_away(const struct climb *climb, const struct ladder_look *look)
{
	const struct ladder_pool *pool = &climb->ladder->pools[look->pool];

	return is_of_a_pool(climb, look) && pool->away == pool->size;
}

/* Everybody who could take a connection, or work on one that was taken. */
static bool is_member(const struct climb *climb, const struct ladder_look *look)
{
	return takes_connections(look) || pool_is_away(climb, look);
}

static void first_of(int32_t *first, uint32_t index)
{
	if (*first == LADDER_NOBODY || (int32_t)index < *first)
		*first = (int32_t)index;
}

static void find_pools(struct climb *climb)
{
	const struct ladder_frame *frame = climb->frame;

	for (unsigned i = 0; i < frame->count; i++) {
		const struct ladder_look *look = &frame->looks[frame->order[i]];
		struct ladder_process *process = process_of(climb, look->process);

		process->has_listener |= look->role == THREAD_LISTENER;
		process->has_pool |= is_of_a_pool(climb, look);
		process->pool_full |= pool_is_away(climb, look);
	}
}

static void find_members(struct climb *climb)
{
	const struct ladder_frame *frame = climb->frame;

	for (unsigned i = 0; i < frame->count; i++) {
		const struct ladder_look *look = &frame->looks[frame->order[i]];
		struct ladder_process *process = process_of(climb, look->process);
		uint32_t end;
		enum wait_on on;

		if (!is_member(climb, look))
			continue;
		on = climb_root(climb, frame->order[i], &end);
		process->pool_moves |= climb->ladder->clocks[frame->order[i]].moved || !look_has_witness(look);
		process->pool_outside |= !wait_traits(on)->pool || look->timed;
		if (wait_traits(on)->held == HELD_DEPENDENCY_WAIT)
			first_of(&process->pool_external, end);
		if (wait_traits(on)->held == HELD_IO_WAIT)
			first_of(&process->pool_file, end);
		first_of(&process->pool_first, frame->order[i]);
	}
}

/* Connections wait, nobody takes one, and all of some pool behind who could is away, or nobody waits where
 * connections come: who could and stays at home has stopped listening until his pool has room, or wants what a
 * runtime gives to one at a time. A loop that is away is the matter of its own rows. */
static bool is_exhausted(const struct ladder_process_look *look, const struct ladder_process *process)
{
	return look->covered && look->role != PROCESS_CHILD && look->queue && !look->dequeued &&
	       process->takes &&
	       (process->pool_full ||
		       (!process->attended && (process->taker_at_home || process->has_listener)));
}

/* All who could serve are caught; who only looks the other way may come back. */
static bool is_caught(const struct ladder_process *process)
{
	return !process->taker_at_home && (process->pool_full || (process->has_listener && !process->has_pool));
}

static void start_over(struct climb *climb, struct ladder_process *process)
{
	if (process->pool_due)
		climb->recovered[ROW_POOL_EXHAUSTED] = true;
	process->pool_began = climb->frame->now;
	process->pool_stood = process->pool_worked = 0;
	process->pool_good = process->pool_free = 0;
	process->pool_fault = HELD_NO;
	process->pool_due = false;
}

static enum held_code fault_now(const struct climb *climb, const struct ladder_process *process)
{
	const struct {
		int32_t own;
		enum wait_on on;
		enum held_code held;
	} faults[] = {{process->pool_external, WAIT_EXTERNAL, HELD_DEPENDENCY_WAIT},
		{process->pool_file, WAIT_FILE, HELD_IO_WAIT}};

	for (unsigned i = 0; i < 2; i++) {
		if (faults[i].own != LADDER_NOBODY || climb->away[faults[i].on])
			return faults[i].held;
	}
	return HELD_NO;
}

/* Between two such waits somebody runs for a moment: that is not the end of it. */
static enum held_code fault_of(const struct climb *climb, struct ladder_process *process)
{
	enum held_code fault = fault_now(climb, process);

	process->pool_free = fault != HELD_NO ? 0 : process->pool_free + (process->pool_free < GOOD_SAMPLES);
	if (fault != HELD_NO || process->pool_free >= GOOD_SAMPLES)
		process->pool_fault = fault;
	return process->pool_fault;
}

static void note_peer(struct climb *climb, const struct ladder_process *process)
{
	int32_t peer = process->pool_external != LADDER_NOBODY ? process->pool_external : climb->away_first[WAIT_EXTERNAL];

	if (process->pool_external != LADDER_NOBODY || climb->away[WAIT_EXTERNAL])
		climb_note_peer(climb, (uint32_t)peer);
}

static void advance(const struct climb *climb, uint32_t number, struct ladder_process *process, bool may_die)
{
	if (process->pool_moves || !may_die)
		process->pool_worked = 0;
	if (!climb_time_counts(climb, number)) {
		process->pool_good = 0;
		return;
	}
	process->pool_stood += climb_time(climb, number);
	if (!process->pool_moves && may_die && climb_held(climb, number) == HELD_NO)
		process->pool_worked += climb_time(climb, number);
	process->pool_good += process->pool_good < GOOD_SAMPLES;
}

static void judge(struct climb *climb, uint32_t number)
{
	struct ladder_process *process = process_of(climb, number);
	struct row_limits limits = row_limits(ROW_POOL_EXHAUSTED, climb);
	enum held_code fault = fault_of(climb, process), held = climb_held(climb, number);
	bool allowed = climb->frame->limits.pool_exhausted ||
		       !(process->pool_outside || process->works || process->carries ||
			       climb->frame->outbound || climb->away[WAIT_UNKNOWN]);
	struct ladder_stand stand = {.held = held, .thread = process->pool_first};

	if (!process->pool_stood) /* steps are taken only while there is reason to */
		process->pool_began = climb->frame->now;
	stand.since = process->pool_began;
	advance(climb, number, process, allowed && is_caught(process) && fault == HELD_NO);
	if (fault == HELD_IO_WAIT)
		limits.not_ready = IO_WAIT_NOT_READY_NS;
	stand.level = level_of(&limits, process->pool_stood, process->pool_worked,
		process->pool_good >= GOOD_SAMPLES && held == HELD_NO);
	process->pool_due |= stand.level == LEVEL_DEAD;
	if (process->pool_due) {
		stand.level = LEVEL_DEAD;
		stand.held = held == HELD_PAUSED ? HELD_NO : held;
	} else if (held == HELD_NO && stand.level != LEVEL_NONE) {
		stand.held = fault;
	}
	if (stand.held == HELD_DEPENDENCY_WAIT)
		note_peer(climb, process);
	stand_note(process, GROUP_PROCESS, ROW_POOL_EXHAUSTED, &stand);
}

void pool_rung(struct climb *climb)
{
	bool any = false;

	for (unsigned i = 0; i < climb->frame->process_count; i++)
		any |= climb->frame->processes[i].queue || process_of(climb, i)->pool_due;
	if (any) {
		find_pools(climb);
		find_members(climb);
	}
	for (unsigned i = 0; i < climb->frame->process_count; i++) {
		struct ladder_process *process = process_of(climb, i);

		if (any && is_exhausted(&climb->frame->processes[i], process))
			judge(climb, i);
		else
			start_over(climb, process);
	}
}
