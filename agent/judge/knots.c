/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/knots.h"

#include <string.h>

/* Marks in `seen` below the numbers of walks. */
enum { UNSEEN = -1 };

struct search {
	const struct knot_thread *threads;
	unsigned count;
	const struct knots_room *room;
	struct knot *out;
	unsigned found, max;
};

/* The next one on the way, KNOT_NOBODY where it ends. */
static int32_t next_of(const struct search *search, int32_t at)
{
	const struct knot_thread *thread = &search->threads[at];

	if (!thread->proven || thread->orphan || thread->waits_for < 0 || (unsigned)thread->waits_for >= search->count)
		return KNOT_NOBODY;
	return thread->waits_for == at && !thread->may_be_own ? KNOT_NOBODY : thread->waits_for;
}

static int32_t add_knot(struct search *search, int32_t first, unsigned length)
{
	if (search->found == search->max)
		return KNOT_NOBODY;
	search->out[search->found] = (struct knot){.first = first, .length = length};
	return (int32_t)search->found++;
}

static int32_t add_orphan(struct search *search, int32_t at)
{
	for (unsigned i = 0; i < search->found; i++) {
		if (search->out[i].length == 0 && search->threads[search->out[i].first].object == search->threads[at].object)
			return (int32_t)i;
	}
	return add_knot(search, at, 0);
}

/* Told from its lowest index on, so that the same cycle is the same knot whoever is asked first. */
static int32_t add_cycle(struct search *search, int32_t at)
{
	int32_t lowest = at, knot;
	unsigned length = 1;

	for (int32_t i = next_of(search, at); i != at; i = next_of(search, i)) {
		lowest = i < lowest ? i : lowest;
		length++;
	}
	knot = add_knot(search, lowest, length);
	search->room->knot_of[at] = knot;
	for (int32_t i = next_of(search, at); i != at; i = next_of(search, i))
		search->room->knot_of[i] = knot;
	return knot;
}

/* Follows one thread to where its way ends: at nobody, an orphaned lock, a cycle, or a way that was walked before. */
static int32_t end_of(struct search *search, int32_t start)
{
	int32_t at = start;

	while (search->room->seen[at] == UNSEEN) {
		int32_t next = next_of(search, at);

		search->room->seen[at] = start;
		if (next == KNOT_NOBODY)
			return search->threads[at].proven && search->threads[at].orphan ? add_orphan(search, at) : KNOT_NOBODY;
		at = next;
	}
	if (search->room->seen[at] == start && search->room->knot_of[at] == KNOT_NOBODY)
		return add_cycle(search, at);
	return search->room->knot_of[at];
}

static void walk(struct search *search, int32_t start)
{
	int32_t knot;

	if (search->room->seen[start] != UNSEEN)
		return;
	knot = end_of(search, start);
	for (int32_t i = start; i != KNOT_NOBODY && search->room->seen[i] == start && search->room->knot_of[i] == KNOT_NOBODY;
		i = next_of(search, i)) {
		search->room->knot_of[i] = knot;
		if (knot == KNOT_NOBODY)
			search->room->seen[i] = (int32_t)search->count; /* walked, and nothing there */
	}
}

static void count_pools(const struct search *search)
{
	const struct knots_room *room = search->room;

	memset(room->pool_size, 0, (search->count + 1) * sizeof(*room->pool_size));
	for (unsigned i = 0; i < search->count; i++) {
		if (search->threads[i].pool <= search->count)
			room->pool_size[search->threads[i].pool]++;
	}
}

static bool is_half_of_a_pool(const struct search *search, int32_t knot)
{
	const struct knots_room *room = search->room;

	memset(room->pool_stuck, 0, (search->count + 1) * sizeof(*room->pool_stuck));
	for (unsigned i = 0; i < search->count; i++) {
		uint32_t pool = search->threads[i].pool;

		if (room->knot_of[i] != knot || pool == 0 || pool > search->count)
			continue;
		if (++room->pool_stuck[pool] * 2 >= room->pool_size[pool] && room->pool_size[pool] > 1)
			return true;
	}
	return false;
}

static void sum_up(struct search *search)
{
	count_pools(search);
	for (unsigned i = 0; i < search->count; i++) {
		int32_t knot = search->room->knot_of[i];

		if (knot == KNOT_NOBODY)
			continue;
		search->out[knot].behind++;
		search->out[knot].critical |= search->threads[i].critical;
	}
	for (unsigned i = 0; i < search->found; i++) {
		struct knot *knot = &search->out[i];

		knot->behind -= knot->length;
		if (!knot->critical)
			knot->critical = is_half_of_a_pool(search, (int32_t)i);
	}
}

unsigned knots_find(const struct knot_thread *threads, unsigned count, const struct knots_room *room, struct knot *out, unsigned max)
{
	struct search search = {.threads = threads, .count = count, .room = room, .out = out, .max = max};

	for (unsigned i = 0; i < count; i++) {
		room->knot_of[i] = KNOT_NOBODY;
		room->seen[i] = UNSEEN;
	}
	for (unsigned i = 0; i < count; i++)
		walk(&search, (int32_t)i);
	sum_up(&search);
	return search.found;
}
