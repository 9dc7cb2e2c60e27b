/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/ladder_parts.h"

#include <string.h>

#define STARVING_SPAN_NS INT64_C(5000000000)

/* ---- time, and what holds */

bool climb_time_counts(const struct climb *climb, uint32_t process)
{
	return !climb->frame->voided && climb->frame->processes[process].gate == HELD_NO;
}

int64_t climb_time(const struct climb *climb, uint32_t process)
{
	int64_t time = climb->frame->passed - process_of(climb, process)->throttled;

	return time > 0 ? time : 0;
}

void climb_lose(struct climb *climb, int64_t time)
{
	if (time > climb->lost)
		climb->lost = time;
}

enum held_code climb_held(const struct climb *climb, uint32_t process)
{
	int64_t paused = process_of(climb, process)->paused;

	if (climb->frame->processes[process].gate != HELD_NO)
		return climb->frame->processes[process].gate;
	if (climb->frame->starting)
		return HELD_STARTING;
	if (climb->frame->draining)
		return HELD_DRAINING;
	return paused > 0 && paused <= PAUSED_AT_MOST_NS ? HELD_PAUSED
							 : HELD_NO; /* last: what was proven it does not hold */
}

void climb_note_peer(struct climb *climb, uint32_t whom)
{
	if (climb->out->peer == LADDER_NOBODY || (int32_t)whom < climb->out->peer)
		climb->out->peer = (int32_t)whom;
}

/* ---- how processes stand */

bool stand_counts(const struct ladder_stand *stand)
{
	return stand->held == HELD_NO || stand->held == HELD_DEPENDENCY_WAIT || stand->held == HELD_IO_WAIT;
}

/* Higher first, then older, then the lower thread: whatever the order in which they are met. */
static bool stand_is_worse(const struct ladder_stand *a, const struct ladder_stand *b)
{
	if (a->level != b->level)
		return a->level > b->level;
	if (a->since != b->since)
		return a->since < b->since;
	return a->thread < b->thread || (a->thread == b->thread && a->held < b->held);
}

void stand_note(
	struct ladder_process *process, unsigned group, enum ladder_row row, const struct ladder_stand *stand)
{
	struct ladder_marks *marks = process->marks;
	enum ladder_level level = stand_counts(stand) ? stand->level : LEVEL_NONE;
	struct ladder_stand *kept;

	if (!marks)
		return;
	kept = &marks->stands[group][row][stand->held != HELD_NO];
	if (!marks->members[group]++ || level < marks->lowest[group])
		marks->lowest[group] = level;
	if (stand->level != LEVEL_NONE && (kept->level == LEVEL_NONE || stand_is_worse(stand, kept)))
		*kept = *stand;
}

/* One of many that stands is a degradation; only when all do it is as bad as the best of them. */
static enum ladder_level ceiling(enum ladder_level lowest)
{
	return lowest > LEVEL_DEGRADED ? lowest : LEVEL_DEGRADED;
}

static enum ladder_level capped(
	const struct ladder_marks *marks, unsigned group, enum ladder_row row, unsigned held)
{
	enum ladder_level level = marks->stands[group][row][held].level, most = ceiling(marks->lowest[group]);

	return held && !stand_counts(&marks->stands[group][row][held]) ? level : level < most ? level : most;
}

static enum ladder_level level_of_process(const struct ladder_marks *marks)
{
	enum ladder_level worst = LEVEL_NONE;

	for (unsigned group = 0; group < LADDER_GROUPS; group++) {
		for (enum ladder_row row = ROW_NONE + 1; row < ROW_COUNT; row++) {
			for (unsigned held = 0; held < 2; held++) {
				enum ladder_level level = capped(marks, group, row, held);

				if (stand_counts(&marks->stands[group][row][held]) && level > worst)
					worst = level;
			}
		}
	}
	return worst;
}

/* Can a process take connections, whatever we know of it? What the shim does not see may. */
static bool may_take(const struct climb *climb, uint32_t number)
{
	const struct ladder_process_look *look = &climb->frame->processes[number];

	return look->role != PROCESS_CHILD &&
	       (process_of(climb, number)->takes || (look->listens && !look->covered));
}

/* How bad the best of those stands who can take a connection. */
static enum ladder_level lowest_taker(const struct climb *climb)
{
	enum ladder_level lowest = LEVEL_DEAD;
	bool any = false;

	for (unsigned i = 0; i < climb->frame->process_count; i++) {
		enum ladder_level level;

		if (!may_take(climb, i))
			continue;
		level = climb->frame->processes[i].covered ? level_of_process(process_of(climb, i)->marks)
							   : LEVEL_NONE;
		lowest = level < lowest ? level : lowest;
		any = true;
	}
	return any ? lowest : LEVEL_NONE;
}

/* ---- the passes of a step */

static void begin_process(struct climb *climb, uint32_t number)
{
	const struct ladder_process_look *look = &climb->frame->processes[number];
	struct ladder_process *process = process_of(climb, number);

	if (process->start != look->start || !look->start)
		*process = (struct ladder_process){.start = look->start, .throttled_ns = look->throttled_ns};
	process->throttled = look->throttled_ns > process->throttled_ns
				     ? (int64_t)(look->throttled_ns - process->throttled_ns)
				     : 0;
	process->throttled_ns = look->throttled_ns;
	climb_lose(climb, process->throttled);
	process->work = (look->queue && !look->dequeued) || look->unread;
	process->takes = process->taker_at_home = process->has_listener = process->has_pool =
		process->pool_full = false;
	process->pool_moves = process->pool_outside = process->spins = false;
	process->attended = process->works = process->carries = false;
	process->pool_external = process->pool_file = process->pool_first = LADDER_NOBODY;
	process->marks = NULL;
	if (look->role == PROCESS_CHILD)
		return;
	process->marks = &climb->ladder->marks[climb->marks++];
	*process->marks = (struct ladder_marks){0};
}

/* Somebody else's collector of garbage, or a lock of the whole program: CPU time is used, and no call is made.
 */
static void look_at_usage(struct climb *climb, uint32_t number)
{
	const struct ladder_process_look *look = &climb->frame->processes[number];
	struct ladder_process *process = process_of(climb, number);
	int64_t between = look->usage_read - process->usage_read,
		used = (int64_t)(look->cpu_ns - process->cpu_ns);

	process->fresh = look->usage_read != process->usage_read;
	if (!process->fresh)
		return;
	if (process->usage_read && !climb->frame->voided) {
		process->quiet = used == 0 && look->switches == process->switches && !process->moved;
		process->paused = used * 2 >= between && !process->moved && !process->spins
					  ? process->paused + between
					  : 0;
	}
	process->usage_read = look->usage_read;
	process->cpu_ns = look->cpu_ns;
	process->switches = look->switches;
	process->moved = false;
}

static void count_away(struct climb *climb, uint32_t index, const struct ladder_look *look)
{
	enum wait_on on = (unsigned)look->on < WAIT_COUNT ? look->on : WAIT_UNKNOWN;

	if (climb->ladder->clocks[index].moved)
		return;
	if (look_is_asleep(look) && look->kernel_state == 'D')
		on = WAIT_FILE;
	else if (on == WAIT_NONE && look->op == 0 && look->state != THREAD_RUNNING)
		on = WAIT_UNKNOWN;
	if (!climb->away[on]++ || (int32_t)index < climb->away_first[on])
		climb->away_first[on] = (int32_t)index;
	climb->unsafe += !wait_traits(on)->pool || look->timed || !look_has_witness(look);
}

/* Where a main thread stands that leaves the work to others. */
static bool main_may_stand(enum wait_on on)
{
	return on == WAIT_THREAD || on == WAIT_CHILD || on == WAIT_SIGNAL || on == WAIT_TIME;
}

static void see_thread(struct climb *climb, uint32_t index)
{
	const struct ladder_look *look = &climb->frame->looks[index];
	struct ladder_process *process = process_of(climb, look->process);
	bool taker = look->role == THREAD_LISTENER || (look->role == THREAD_LOOP && look->accepts),
	     away = look_is_away(look);

	loop_clock(climb, index);
	climb->moves |= climb->ladder->clocks[index].moved;
	process->moved |= climb->ladder->clocks[index].moved;
	if (taker)
		taker_note(climb, look);
	else
		waker_note(climb, index);
	pool_count(climb, look);
	if (away) {
		count_away(climb, index, look);
		climb->working += look->role != THREAD_MAIN || !main_may_stand(look->on);
	}
}

static void climb_rungs(struct climb *climb, struct ladder_stand tree[ROW_COUNT])
{
	const struct ladder_frame *frame = climb->frame;

	for (unsigned i = 0; i < frame->count; i++) {
		if (frame->looks[frame->order[i]].role == THREAD_LOOP)
			loop_rung(climb, frame->order[i]);
	}
	for (unsigned i = 0; i < frame->process_count; i++)
		look_at_usage(climb, i);
	pool_rung(climb);
	tree_rung(climb, &tree[ROW_NO_PROGRESS]);
	backlog_rung(climb, &tree[ROW_IDLE_WITH_BACKLOG]);
}

/* ---- what comes of it */

static void add_finding(struct ladder_out *out, enum ladder_row row, const struct ladder_stand *stand)
{
	unsigned at = out->count;

	if (stand->level == LEVEL_NONE)
		return;
	while (at > 0 && stand_is_worse(stand, &out->findings[at - 1].stand)) {
		out->findings[at] = out->findings[at - 1];
		at--;
	}
	out->findings[at] = (struct ladder_finding){.row = row, .stand = *stand};
	out->count++;
}

/* The worst of this row over all processes, under the ceiling of what the best of them can still do. */
static struct ladder_stand worst_of(
	const struct climb *climb, enum ladder_row row, unsigned held, enum ladder_level most)
{
	struct ladder_stand worst = {.level = LEVEL_NONE, .thread = LADDER_NOBODY};

	for (unsigned i = 0; i < climb->frame->process_count; i++) {
		const struct ladder_marks *marks = process_of(climb, i)->marks;
		for (unsigned group = 0; marks && group < LADDER_GROUPS; group++) {
			struct ladder_stand stand = marks->stands[group][row][held];

			stand.level = capped(marks, group, row, held);
			if (stand_counts(&stand) && stand.level > most)
				stand.level = most;
			if (stand.level != LEVEL_NONE &&
				(worst.level == LEVEL_NONE || stand_is_worse(&stand, &worst)))
				worst = stand;
		}
	}
	return worst;
}

static void sum_up(struct climb *climb, const struct ladder_stand tree[ROW_COUNT])
{
	enum ladder_level most = ceiling(lowest_taker(climb));

	for (enum ladder_row row = ROW_NONE + 1; row < ROW_COUNT; row++) {
		add_finding(climb->out, row, &tree[row]);
		for (unsigned held = 0; held < 2; held++) {
			struct ladder_stand worst = worst_of(climb, row, held, most);

			add_finding(climb->out, row, &worst);
		}
	}
}

/* Dead it was called, and it went on: the limit was too short for this service. */
static void learn(struct climb *climb)
{
	struct ladder *ladder = climb->ladder;

	for (enum ladder_row row = ROW_NONE + 1; row < ROW_COUNT; row++) {
		if (ladder->whole.told[row] && climb->recovered[row]) {
			ladder->whole.told[row] = false;
			ladder->learned.alarms[row] += ladder->learned.alarms[row] < UINT32_MAX;
			climb->out->alarm = row;
		}
	}
	for (unsigned i = 0; i < climb->out->count; i++) {
		if (climb->out->findings[i].stand.level == LEVEL_DEAD &&
			climb->out->findings[i].stand.held == HELD_NO)
			ladder->whole.told[climb->out->findings[i].row] = true;
	}
}

/* Half of a few seconds: it is shown, so it must not come and go with each sample. */
static void notice_starving(struct climb *climb)
{
	struct ladder_whole *whole = &climb->ladder->whole;

	if (!climb->frame->voided) {
		whole->span += climb->frame->passed;
		whole->lost += climb->lost;
	}
	if (whole->span >= STARVING_SPAN_NS) {
		whole->starves = whole->lost * 2 >= whole->span;
		whole->span = whole->lost = 0;
	}
	climb->out->starved = whole->starves;
}

void ladder_step(struct ladder *ladder, const struct ladder_frame *frame, struct ladder_out *out)
{
	struct climb climb = {.ladder = ladder, .frame = frame, .out = out};
	struct ladder_stand tree[ROW_COUNT] = {0};

	*out = (struct ladder_out){.knock = LADDER_NOBODY, .peer = LADDER_NOBODY, .alarm = ROW_NONE};
	memset(ladder->pools, 0, (frame->pools + 1) * sizeof(*ladder->pools));
	for (unsigned i = 0; i < frame->process_count; i++)
		begin_process(&climb, i);
	for (unsigned i = 0; i < frame->count; i++)
		see_thread(&climb, frame->order[i]);
	climb_rungs(&climb, tree);
	sum_up(&climb, tree);
	learn(&climb);
	notice_starving(&climb);
	for (unsigned i = 0; i < out->count; i++)
		out->paused |= out->findings[i].stand.held == HELD_PAUSED;
}

/* ---- proofs in a service of many processes */

static bool is_critical(const struct ladder_look *look)
{
	return look->role == THREAD_MAIN || look->role == THREAD_LOOP || look->role == THREAD_LISTENER;
}

/* Is this process caught in the knot by a critical thread, or, when the knot holds no such thread, by any? */
static bool is_caught(
	const struct ladder_frame *frame, const int32_t *knot_of, int32_t knot, uint32_t process, bool critical)
{
	for (unsigned i = 0; i < frame->count; i++) {
		const struct ladder_look *look = &frame->looks[frame->order[i]];

		if (knot_of[i] == knot && look->process == process && (!critical || is_critical(look)))
			return true;
	}
	return false;
}

bool ladder_proof_counts(const struct ladder_frame *frame, const int32_t *knot_of, int32_t knot)
{
	const struct climb climb = {.frame = frame};
	bool critical = false, any = false;

	for (unsigned i = 0; i < frame->count; i++)
		critical |= knot_of[i] == knot && is_critical(&frame->looks[frame->order[i]]);
	for (unsigned i = 0; i < frame->process_count; i++) {
		bool main = frame->processes[i].role == PROCESS_MAIN, taker = may_take(&climb, i);

		if (!main && !taker)
			continue;
		if (is_caught(frame, knot_of, knot, i, critical)) {
			if (main)
				return true;
			any = true;
		} else if (taker) {
			return false; /* that one can still take a connection */
		}
	}
	return any;
}
