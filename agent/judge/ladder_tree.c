/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/ladder_parts.h"

static bool all_are_quiet(const struct climb *climb)
{
	for (unsigned i = 0; i < climb->frame->process_count; i++) {
		if (!process_of(climb, i)->quiet || process_of(climb, i)->moved)
			return false;
	}
	return true;
}

/* The kernel was asked in this step what all of them used. */
static bool all_are_fresh(const struct climb *climb)
{
	for (unsigned i = 0; i < climb->frame->process_count; i++) {
		if (!process_of(climb, i)->fresh)
			return false;
	}
	return true;
}

static bool time_counts_for_all(const struct climb *climb)
{
	for (unsigned i = 0; i < climb->frame->process_count; i++) {
		if (!climb_time_counts(climb, i))
			return false;
	}
	return true;
}

/* Whoever got least of it. */
static int64_t time_of_all(const struct climb *climb)
{
	int64_t least = climb->frame->passed;

	for (unsigned i = 0; i < climb->frame->process_count; i++) {
		int64_t time = climb_time(climb, i);

		least = time < least ? time : least;
	}
	return least;
}

static enum held_code held_of_all(const struct climb *climb)
{
	enum held_code worst = HELD_NO;

	for (unsigned i = 0; i < climb->frame->process_count; i++) {
		enum held_code held = climb_held(climb, i);

		if (held != HELD_NO && (worst == HELD_NO || held < worst))
			worst = held;
	}
	return worst;
}

/* Whoever takes connections is away, and there is work for one of them. */
static bool takers_are_missed(const struct climb *climb)
{
	bool work = false, takes = false;

	for (unsigned i = 0; i < climb->frame->process_count; i++) {
		const struct ladder_process *process = process_of(climb, i);

		if (climb->frame->processes[i].role == PROCESS_CHILD)
			continue;
		if (process->takes && process->attended)
			return false;
		takes |= process->takes;
		work |= process->takes && process->work;
	}
	return work && takes;
}

/* … and nobody waits for clients, who may go and so make room. */
static bool all_are_seen(const struct climb *climb)
{
	for (unsigned i = 0; i < climb->frame->process_count; i++) {
		if (!climb->frame->processes[i].covered || process_of(climb, i)->carries)
			return false;
	}
	return true;
}

static enum held_code fault_of(const struct climb *climb)
{
	if (climb->away[WAIT_EXTERNAL])
		return HELD_DEPENDENCY_WAIT;
	return climb->away[WAIT_FILE] ? HELD_IO_WAIT : HELD_NO;
}

/* The tree as a whole does nothing: no CPU time, no switch, no call, though work waits. */
void tree_rung(struct climb *climb, struct ladder_stand *out)
{
	struct ladder_whole *whole = &climb->ladder->whole;
	const struct row_limits limits = row_limits(ROW_NO_PROGRESS, climb);
	enum held_code held = held_of_all(climb), fault = fault_of(climb);
	bool inside = !climb->unsafe && !climb->frame->outbound && all_are_seen(climb) && fault == HELD_NO;

	*out = (struct ladder_stand){.thread = LADDER_NOBODY, .held = held};
	if (!all_are_quiet(climb) || !takers_are_missed(climb)) {
		climb->recovered[ROW_NO_PROGRESS] |= whole->due;
		whole->began = climb->frame->now;
		whole->stood = whole->worked = 0;
		whole->good = 0;
		whole->due = false;
		return;
	}
	if (!whole->stood) /* steps are taken only while there is reason to */
		whole->began = climb->frame->now;
	if (!time_counts_for_all(climb)) {
		whole->good = 0;
	} else {
		whole->stood += time_of_all(climb);
		whole->worked = inside ? whole->worked + (held == HELD_NO ? time_of_all(climb) : 0) : 0;
		whole->good += all_are_fresh(climb) && whole->good < GOOD_SAMPLES;
	}
	out->since = whole->began;
	out->level = level_of(&limits, whole->stood, whole->worked,
		inside && all_are_fresh(climb) && whole->good >= GOOD_SAMPLES && held == HELD_NO);
	whole->due |= out->level == LEVEL_DEAD;
	if (whole->due)
		out->level = LEVEL_DEAD;
	else if (held == HELD_NO && out->level != LEVEL_NONE)
		out->held = fault;
	if (out->held == HELD_DEPENDENCY_WAIT && climb->away[WAIT_EXTERNAL])
		climb_note_peer(climb, (uint32_t)climb->away_first[WAIT_EXTERNAL]);
}

/* Work waits where the service fetches it, and nobody does. Whoever at least beats at home may be degraded for
 * it, never dead. */
void backlog_rung(struct climb *climb, struct ladder_stand *out)
{
	struct ladder_whole *whole = &climb->ladder->whole;
	const struct ladder_frame *frame = climb->frame;
	const struct row_limits limits = row_limits(ROW_IDLE_WITH_BACKLOG, climb);
	enum held_code held = held_of_all(climb);

	*out = (struct ladder_stand){.thread = LADDER_NOBODY, .held = held};
	if (!frame->backlog_known || frame->backlog <= 0 || frame->backlog_falls || climb->working ||
		!frame->count || !all_are_seen(climb)) {
		climb->recovered[ROW_IDLE_WITH_BACKLOG] |= whole->backlog_due;
		whole->backlog_began = frame->now;
		whole->backlog_stood = whole->backlog_worked = 0;
		whole->backlog_good = 0;
		whole->backlog_due = false;
		return;
	}
	if (!whole->backlog_stood)
		whole->backlog_began = frame->now;
	if (climb->moves)
		whole->backlog_worked = 0;
	if (!time_counts_for_all(climb)) {
		whole->backlog_good = 0;
	} else {
		whole->backlog_stood += held == HELD_NO ? time_of_all(climb) : 0;
		whole->backlog_worked += held == HELD_NO ? time_of_all(climb) : 0;
		whole->backlog_good += whole->backlog_good < GOOD_SAMPLES;
	}
	out->since = whole->backlog_began;
	out->level = level_of(&limits, whole->backlog_stood, whole->backlog_worked,
		whole->backlog_good >= GOOD_SAMPLES && held == HELD_NO);
	whole->backlog_due |= out->level == LEVEL_DEAD;
	if (whole->backlog_due)
		out->level = LEVEL_DEAD;
}
