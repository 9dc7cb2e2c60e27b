/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/recording.h"

#include <string.h>

#include "judge/recording_parts.h"

enum { TICK_WHOLE = 1, TICK_FRAME = 2, TICK_ORDER = 4, TICK_VERDICTS = 8, TICK_LEARNED = 16, TICK_FLAGS = 32 };

/* ---- writing */

static bool orders_differ(const struct recording_state *state, const struct ladder_frame *frame)
{
	return state->frame.count != frame->count ||
	       memcmp(state->order, frame->order, frame->count * sizeof(*frame->order)) != 0;
}

static void put_order(
	struct recording_out *out, struct recording_state *state, const struct ladder_frame *frame)
{
	for (unsigned i = 0; i < frame->count; i++)
		recording_put(out, frame->order[i]);
	memcpy(state->order, frame->order, frame->count * sizeof(*frame->order));
}

/* Also those that are waited for without being in the order any more: the ladder follows such waits. */
static void put_look(struct recording_out *out, struct recording_state *state, const struct ladder_frame *frame,
	uint32_t index)
{
	while (index < state->max_looks && state->seen[index] != state->ticks) {
		const struct ladder_look *now = &frame->looks[index];

		state->seen[index] = state->ticks;
		if (recording_differs(TABLE_LOOK, now, &state->looks[index])) {
			recording_put(out, index + 1);
			(void)recording_put_struct(out, TABLE_LOOK, now, &state->looks[index]);
		}
		if (now->waits_for < 0)
			return;
		index = (uint32_t)now->waits_for;
	}
}

static void put_frame(
	struct recording_out *out, struct recording_state *state, const struct recording_tick *tick, bool order)
{
	const struct ladder_frame *frame = tick->frame;

	if (order) { /* before the count that it goes by is told */
		recording_put(out, frame->count);
		put_order(out, state, frame);
	}
	(void)recording_put_struct(out, TABLE_FRAME, frame, &state->frame);
	for (unsigned i = 0; i < frame->count; i++)
		put_look(out, state, frame, frame->order[i]);
	recording_put(out, 0);
	for (unsigned i = 0; i < frame->process_count; i++) {
		if (!recording_differs(TABLE_PROCESS, &frame->processes[i], &state->processes[i]))
			continue;
		recording_put(out, i + 1);
		(void)recording_put_struct(out, TABLE_PROCESS, &frame->processes[i], &state->processes[i]);
	}
	recording_put(out, 0);
}

static void put_knots(
	struct recording_out *out, struct recording_state *state, const struct recording_tick *tick)
{
	recording_put(out, tick->thread_count);
	for (unsigned i = 0; i < tick->thread_count; i++) {
		if (!recording_differs(TABLE_THREAD, &tick->threads[i], &state->threads[i]))
			continue;
		recording_put(out, i + 1);
		(void)recording_put_struct(out, TABLE_THREAD, &tick->threads[i], &state->threads[i]);
	}
	recording_put(out, 0);
	recording_put(out, tick->knot_count);
	for (unsigned i = 0; i < tick->knot_count; i++)
		(void)recording_put_struct(out, TABLE_KNOT, &tick->knots[i], &state->knots[i]);
}

static const struct reason_list *list_at(const struct verdicts *verdicts, unsigned at)
{
	const struct reason_list *const lists[] = {&verdicts->live, &verdicts->ready, &verdicts->startup};

	return lists[at];
}

static struct reason_list *open_list(struct verdicts *verdicts, unsigned at)
{
	struct reason_list *const lists[] = {&verdicts->live, &verdicts->ready, &verdicts->startup};

	return lists[at];
}

static bool verdicts_differ(const struct verdicts *a, const struct verdicts *b)
{
	bool differ = recording_differs(TABLE_VERDICTS, a, b);

	for (unsigned at = 0; at < 3 && !differ; at++) {
		const struct reason_list *left = list_at(a, at), *right = list_at(b, at);

		for (unsigned i = 0; i < left->count && !differ; i++)
			differ = recording_differs(TABLE_REASON, &left->items[i], &right->items[i]);
	}
	return differ;
}

static void put_verdicts(
	struct recording_out *out, struct recording_state *state, const struct verdicts *verdicts)
{
	(void)recording_put_struct(out, TABLE_VERDICTS, verdicts, &state->verdicts);
	for (unsigned at = 0; at < 3; at++) {
		const struct reason_list *list = list_at(verdicts, at);

		for (unsigned i = 0; i < list->count; i++)
			(void)recording_put_struct(
				out, TABLE_REASON, &list->items[i], &open_list(&state->verdicts, at)->items[i]);
	}
}

static void put_learned(
	struct recording_out *out, struct recording_state *state, const struct ladder_learned *learned)
{
	recording_put(out, ROW_COUNT);
	for (unsigned i = 0; i < ROW_COUNT; i++)
		recording_put(out, learned->alarms[i]);
	state->learned = *learned;
}

static void forget(struct recording_state *state)
{
	memset(state->looks, 0, state->max_looks * sizeof(*state->looks));
	memset(state->order, 0, state->max_looks * sizeof(*state->order));
	memset(state->seen, 0, state->max_looks * sizeof(*state->seen));
	memset(state->threads, 0, state->max_looks * sizeof(*state->threads));
	memset(state->processes, 0, state->max_processes * sizeof(*state->processes));
	memset(state->knots, 0, sizeof(state->knots));
	state->frame = (struct ladder_frame){0};
	state->learned = (struct ladder_learned){0};
	state->facts = (struct service_facts){0};
	state->verdicts = (struct verdicts){0};
	state->ticks = 0;
}

static bool fits(const struct recording_state *state, const struct recording_tick *tick)
{
	const struct ladder_frame *frame = tick->frame;

	return tick->thread_count <= state->max_looks && tick->knot_count <= RECORDING_KNOTS &&
	       (!frame || (frame->count <= state->max_looks && frame->process_count <= state->max_processes));
}

static unsigned flags_of(const struct recording_state *state, const struct recording_tick *tick)
{
	unsigned flags = state->follows ? 0 : TICK_WHOLE;

	if (tick->frame)
		flags |= TICK_FRAME | (orders_differ(state, tick->frame) ? TICK_ORDER : 0);
	if (verdicts_differ(tick->verdicts, &state->verdicts))
		flags |= TICK_VERDICTS;
	if (tick->learned && memcmp(tick->learned, &state->learned, sizeof(state->learned)) != 0)
		flags |= TICK_LEARNED;
	return flags;
}

size_t recording_write_tick(struct recording_state *state, uint32_t service, const struct recording_tick *tick,
	unsigned char *bytes, size_t room)
{
	struct recording_out out = {.bytes = bytes, .room = room};
	unsigned flags;

	if (!fits(state, tick))
		return 0;
	if (!state->follows)
		forget(state);
	state->ticks++;
	flags = flags_of(state, tick);
	recording_put(&out, service);
	recording_put(&out, flags);
	if (flags & TICK_LEARNED)
		put_learned(&out, state, tick->learned);
	if (flags & TICK_FRAME)
		put_frame(&out, state, tick, flags & TICK_ORDER);
	put_knots(&out, state, tick);
	(void)recording_put_struct(&out, TABLE_FACTS, tick->facts, &state->facts);
	if (flags & TICK_VERDICTS)
		put_verdicts(&out, state, tick->verdicts);
	state->follows = !out.full;
	return out.full ? 0 : out.used;
}

/* ---- reading */

static void get_order(struct recording_in *in, struct recording_state *state)
{
	uint64_t count = recording_get(in);

	for (uint64_t i = 0; i < count && !in->bad; i++) {
		uint64_t index = recording_get(in);

		if (i >= state->max_looks || index >= state->max_looks)
			in->bad = true;
		else
			state->order[i] = (uint32_t)index;
	}
}

/* The index of the next row that changed, or `max` behind the last one. */
static uint64_t get_index(struct recording_in *in, uint64_t max)
{
	uint64_t index = recording_get(in);

	if (in->bad || index == 0)
		return max;
	in->bad = index > max;
	return index - 1;
}

/* What an index leads to must be there. */
static bool is_sound(const struct recording_state *state)
{
	const struct ladder_frame *frame = &state->frame;

	if (frame->count > state->max_looks || frame->process_count > state->max_processes ||
		frame->pools > state->max_looks)
		return false;
	for (unsigned i = 0; i < frame->count; i++) {
		const struct ladder_look *look = &state->looks[state->order[i]];

		if (look->process >= frame->process_count || look->pool > frame->pools)
			return false;
	}
	return true;
}

static void get_frame(
	struct recording_in *in, struct recording_state *state, const struct recording_begin *begin, bool order)
{
	uint64_t at;

	if (order)
		get_order(in, state);
	recording_get_struct(in, begin, TABLE_FRAME, &state->frame);
	while ((at = get_index(in, state->max_looks)) < state->max_looks && !in->bad) {
		recording_get_struct(in, begin, TABLE_LOOK, &state->looks[at]);
		in->bad |= state->looks[at].waits_for >= (int64_t)state->max_looks;
	}
	while ((at = get_index(in, state->max_processes)) < state->max_processes && !in->bad)
		recording_get_struct(in, begin, TABLE_PROCESS, &state->processes[at]);
	in->bad |= !is_sound(state);
	state->frame.looks = state->looks;
	state->frame.order = state->order;
	state->frame.processes = state->processes;
}

static void get_knots(
	struct recording_in *in, struct recording_state *state, const struct recording_begin *begin)
{
	uint64_t at, count = recording_get(in);

	in->bad |= count > state->max_looks;
	state->thread_count = (unsigned)count;
	while (!in->bad && (at = get_index(in, count)) < count && !in->bad)
		recording_get_struct(in, begin, TABLE_THREAD, &state->threads[at]);
	for (uint64_t i = 0; i < count && !in->bad; i++)
		in->bad = state->threads[i].pool > count;
	count = recording_get(in);
	in->bad |= count > RECORDING_KNOTS;
	state->knot_count = in->bad ? 0 : (unsigned)count;
	for (unsigned i = 0; i < state->knot_count; i++)
		recording_get_struct(in, begin, TABLE_KNOT, &state->knots[i]);
}

/* `most` of a count is what its list holds. */
static void get_verdicts(
	struct recording_in *in, struct recording_state *state, const struct recording_begin *begin)
{
	recording_get_struct(in, begin, TABLE_VERDICTS, &state->verdicts);
	for (unsigned at = 0; at < 3; at++) {
		struct reason_list *list = open_list(&state->verdicts, at);

		for (unsigned i = 0; i < list->count && !in->bad; i++)
			recording_get_struct(in, begin, TABLE_REASON, &list->items[i]);
	}
}

static void get_learned(struct recording_in *in, struct recording_state *state)
{
	uint64_t count = recording_get(in);

	in->bad |= count > ROW_COUNT * 8; /* rows come and go, but not so many */
	for (uint64_t i = 0; i < count && !in->bad; i++) {
		uint32_t alarms = (uint32_t)recording_get(in);

		if (i < ROW_COUNT)
			state->learned.alarms[i] = alarms;
	}
}

bool recording_read_service(uint32_t *service, const unsigned char *body, size_t bytes)
{
	struct recording_in in = {.bytes = body, .room = bytes};

	*service = (uint32_t)recording_get(&in);
	return !in.bad;
}

bool recording_read_tick(struct recording_state *state, const struct recording_begin *begin,
	const unsigned char *body, size_t bytes)
{
	struct recording_in in = {.bytes = body, .room = bytes};
	uint64_t flags;

	(void)recording_get(&in); /* the service: the caller knows */
	flags = recording_get(&in);
	if (in.bad || flags >= TICK_FLAGS || (!state->follows && !(flags & TICK_WHOLE)))
		return false;
	state->follows = false;
	if (flags & TICK_WHOLE)
		forget(state);
	state->ticks++;
	if (flags & TICK_LEARNED)
		get_learned(&in, state);
	if (flags & TICK_FRAME)
		get_frame(&in, state, begin, flags & TICK_ORDER);
	get_knots(&in, state, begin);
	recording_get_struct(&in, begin, TABLE_FACTS, &state->facts);
	if (flags & TICK_VERDICTS)
		get_verdicts(&in, state, begin);
	state->has_frame = flags & TICK_FRAME;
	state->whole = flags & TICK_WHOLE;
	state->follows = !in.bad && in.used == in.room;
	return state->follows;
}
