/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/ladder_parts.h"

#include "judge/calls.h"

/* In no call that the shim sees, or in one whose sense is to compute. */
static bool is_between_calls(const struct ladder_look *look)
{
	return look->op == 0 || call_info(look->op)->class == CLASS_WORK;
}

static uint8_t row_now(const struct ladder_look *look)
{
	if (look_is_asleep(look))
		return ROW_LOOP_BLOCKED;
	if (look_is_of_now(look) && look->kernel_state == 'R' && is_between_calls(look))
		return ROW_LOOP_SPINNING;
	return ROW_NONE;
}

static void start_over(struct climb *climb, struct ladder_clock *clock)
{
	if (clock->due)
		climb->recovered[clock->row] = true;
	clock->began = climb->frame->now;
	clock->stood = clock->worked = 0;
	clock->good = 0;
	clock->row = ROW_NONE;
	clock->due = false;
}

static void compare_from_here(struct ladder_clock *clock, const struct ladder_look *look)
{
	clock->cpu_ns = look->cpu_ns;
	clock->delay_ns = look->delay_ns;
	clock->switches = look->switches;
	clock->kernel_read = look->kernel_read;
	clock->based = true;
}

static uint64_t since_last(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

/* Inside a call that may do many things (stdio, resolvers, sendfile) to have been woken is to have gone on. */
static bool went_on(const struct ladder_clock *clock, const struct ladder_look *look)
{
	return look->switches != clock->switches && !wait_traits(look->on)->wakes_for_nothing;
}

static void add(int64_t *clock, int64_t time)
{
	*clock = *clock + time > 0 ? *clock + time : 0;
}

/* `worked` counts only while work waits, without a gap. */
static void advance(const struct climb *climb, struct ladder_clock *clock, const struct ladder_process *process,
	uint32_t number, int64_t time)
{
	add(&clock->stood, time);
	if (process->work && climb_held(climb, number) == HELD_NO)
		add(&clock->worked, time);
}

static void look_afresh(struct climb *climb, uint32_t index, bool counts)
{
	const struct ladder_look *look = &climb->frame->looks[index];
	struct ladder_clock *clock = &climb->ladder->clocks[index];
	const struct ladder_process *process = process_of(climb, look->process);
	uint8_t row = row_now(look);
	int64_t delay = (int64_t)since_last(look->delay_ns, clock->delay_ns);

	if (row != ROW_NONE && row != clock->row) {
		start_over(climb, clock);
		clock->row = row;
	} else if (clock->based && counts && row == ROW_LOOP_BLOCKED) {
		if (went_on(clock, look)) {
			start_over(climb, clock);
			clock->row = row;
		}
		advance(climb, clock, process, look->process, -delay);
		climb_lose(climb, delay);
	} else if (clock->based && counts && row == ROW_LOOP_SPINNING) {
		advance(climb, clock, process, look->process, (int64_t)since_last(look->cpu_ns, clock->cpu_ns));
	}
	compare_from_here(clock, look);
	clock->fresh = true;
	if (row != ROW_NONE && counts && clock->good < GOOD_SAMPLES)
		clock->good++;
}

/* For each thread in each step. */
void loop_clock(struct climb *climb, uint32_t index)
{
	const struct ladder_look *look = &climb->frame->looks[index];
	struct ladder_clock *clock = &climb->ladder->clocks[index];
	const struct ladder_process *process = process_of(climb, look->process);
	bool counts = climb_time_counts(climb, look->process);

	clock->fresh = false;
	clock->moved = look->claim != clock->claim || look->entries != clock->entries || look->op != clock->op;
	if (look->claim != clock->claim)
		*clock = (struct ladder_clock){.claim = look->claim, .row = ROW_NONE, .moved = true};
	if (clock->moved || look->role != THREAD_LOOP || !look_is_away(look)) {
		if (clock->row != ROW_NONE || clock->moved)
			start_over(climb, clock);
		clock->entries = look->entries;
		clock->op = look->op;
		clock->based = false;
		clock->kernel_read = look_is_of_now(look) ? 0 : look->kernel_read;
	}
	if (look->role != THREAD_LOOP || !look_is_away(look) || clock->moved)
		return;
	if (!process->work && !clock->due)
		clock->worked = 0;
	if (!counts)
		clock->good = 0;
	else if (clock->row == ROW_LOOP_BLOCKED)
		advance(climb, clock, process, look->process, climb_time(climb, look->process));
	if (look->kernel_read != clock->kernel_read && look_is_of_now(look))
		look_afresh(climb, index, counts);
}

/* At the other end of what leads out of a process may be any other of the tree that is at work, or is not seen. */
static bool others_may_answer(const struct climb *climb, uint32_t process, enum wait_on on)
{
	if (on == WAIT_LOCK || on == WAIT_WAKE)
		return false;
	for (uint32_t i = 0; i < climb->frame->process_count; i++) {
		if (i != process && (!climb->frame->processes[i].covered || process_of(climb, i)->works))
			return true;
	}
	return false;
}

/* Who waits for nobody in particular may wait for whoever is out: then it is theirs to answer for. */
static enum wait_on blame(const struct climb *climb, uint32_t index, uint32_t *whom)
{
	enum wait_on on = climb_root(climb, index, whom);
	bool anybody =
		wait_traits(on)->ownerless || (on == WAIT_LOCK && climb->frame->looks[*whom].waits_for < 0);
	static const enum wait_on others[] = {WAIT_EXTERNAL, WAIT_FILE, WAIT_CHILD, WAIT_UNKNOWN};

	for (unsigned i = 0; anybody && i < sizeof(others) / sizeof(others[0]); i++) {
		if (climb->away[others[i]]) {
			*whom = (uint32_t)climb->away_first[others[i]];
			return others[i];
		}
	}
	if (anybody && (process_of(climb, climb->frame->looks[*whom].process)->works ||
			       process_of(climb, climb->frame->looks[*whom].process)->carries ||
			       others_may_answer(climb, climb->frame->looks[*whom].process, on)))
		return WAIT_UNKNOWN;
	return on;
}

/* What was proven stays proven until the loop goes on; only what keeps it from running now, or a drain, holds
 * it. */
static void judge_due(const struct climb *climb, const struct ladder_look *look, struct ladder_stand *stand)
{
	stand->level = LEVEL_DEAD;
	stand->held = climb_held(climb, look->process);
	if (stand->held == HELD_PAUSED)
		stand->held = HELD_NO;
}

/* A verdict is of the moment in which the kernel was asked. */
static bool is_witnessed(const struct ladder_clock *clock, const struct ladder_stand *stand)
{
	return clock->fresh && clock->good >= GOOD_SAMPLES && stand->held == HELD_NO;
}

static void judge_blocked(
	struct climb *climb, uint32_t index, struct row_limits limits, struct ladder_stand *stand)
{
	struct ladder_clock *clock = &climb->ladder->clocks[index];
	uint32_t whom = index;
	enum wait_on on = blame(climb, index, &whom);
	bool may_die = is_witnessed(clock, stand) && look_has_witness(&climb->frame->looks[index]);

	if (!wait_traits(on)->loop)
		clock->worked = 0; /* once that has ended, the loop has all its time to go on */
	if (wait_traits(on)->held == HELD_IO_WAIT)
		limits.not_ready = IO_WAIT_NOT_READY_NS;
	stand->level = level_of(&limits, clock->stood, clock->worked, may_die);
	if (stand->held == HELD_NO)
		stand->held = wait_traits(on)->held;
	if (stand->held == HELD_DEPENDENCY_WAIT)
		climb_note_peer(climb, whom);
}

static struct ladder_stand judge(struct climb *climb, uint32_t index)
{
	const struct ladder_look *look = &climb->frame->looks[index];
	struct ladder_clock *clock = &climb->ladder->clocks[index];
	struct row_limits limits = row_limits((enum ladder_row)clock->row, climb);
	struct ladder_stand stand = {
		.since = clock->began, .thread = (int32_t)index, .held = climb_held(climb, look->process)};

	if (clock->due)
		judge_due(climb, look, &stand);
	else if (clock->row == ROW_LOOP_BLOCKED)
		judge_blocked(climb, index, limits, &stand);
	else
		stand.level = level_of(&limits, clock->stood, clock->worked, is_witnessed(clock, &stand));
	clock->due |= stand.level == LEVEL_DEAD;
	if (clock->row == ROW_LOOP_SPINNING)
		process_of(climb, look->process)->spins = true;
	return stand;
}

void loop_rung(struct climb *climb, uint32_t index)
{
	const struct ladder_look *look = &climb->frame->looks[index];
	const struct ladder_clock *clock = &climb->ladder->clocks[index];
	struct ladder_process *process = process_of(climb, look->process);
	struct ladder_stand stand = {.thread = LADDER_NOBODY};

	if (clock->row != ROW_NONE && look_is_away(look))
		stand = judge(climb, index);
	if (stand.level != LEVEL_NONE && !process->work && stand.held == HELD_NO && look->accepts &&
		(climb->out->knock == LADDER_NOBODY || (int32_t)look->process < climb->out->knock))
		climb->out->knock = (int32_t)look->process;
	stand_note(
		process, look->accepts ? GROUP_ACCEPTORS : GROUP_CARRIERS, (enum ladder_row)clock->row, &stand);
}
