/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/knots_processes.h"

#include <stddef.h>

/* Who can go on is found first, from those that wait for nobody backwards to all that wait for them. What is
 * then left waits for ever. */
struct spread {
	struct knot_thread *threads;
	const struct knot_processes *processes;
	unsigned count, queued;
	int32_t *first_waiter,
		*next_waiter; /* of each thread: who waits for it, and who else waits for the same */
	uint32_t *queue, *moves;
};

static int32_t process_awaited(const struct spread *spread, unsigned at)
{
	int32_t process = spread->threads[at].proven ? spread->processes->waits_on[at] : KNOT_NOBODY;

	return process >= 0 && (unsigned)process < spread->processes->count ? process : KNOT_NOBODY;
}

static int32_t thread_awaited(const struct spread *spread, unsigned at)
{
	const struct knot_thread *thread = &spread->threads[at];

	if (!thread->proven || thread->orphan || thread->parked || thread->waits_for < 0 ||
		(unsigned)thread->waits_for >= spread->count)
		return KNOT_NOBODY;
	return thread->waits_for == (int32_t)at && !thread->may_be_own ? KNOT_NOBODY : thread->waits_for;
}

static void let_go(struct spread *spread, uint32_t at)
{
	if (spread->moves[at])
		return;
	spread->moves[at] = 1;
	spread->queue[spread->queued++] = at;
}

static void let_all_go(struct spread *spread, int32_t first)
{
	for (int32_t i = first; i != KNOT_NOBODY; i = spread->next_waiter[i])
		let_go(spread, (uint32_t)i);
}

static void list_waiter(struct spread *spread, unsigned at)
{
	int32_t process = process_awaited(spread, at), thread = thread_awaited(spread, at);
	int32_t *first = thread != KNOT_NOBODY ? &spread->first_waiter[thread] : NULL;

	if (process != KNOT_NOBODY)
		first = &spread->processes->first_waiter[process];
	if (first) {
		spread->next_waiter[at] = *first;
		*first = (int32_t)at;
	} else if (!spread->threads[at].proven || !(spread->threads[at].orphan || spread->threads[at].parked)) {
		let_go(spread, at);
	}
}

static void list_all(struct spread *spread)
{
	const struct knot_processes *processes = spread->processes;

	for (unsigned i = 0; i < processes->count; i++)
		processes->first_waiter[i] = processes->first_thread[i] = KNOT_NOBODY;
	for (unsigned i = 0; i < spread->count; i++) {
		int32_t *first = &processes->first_thread[processes->process_of[i]];

		spread->first_waiter[i] = KNOT_NOBODY;
		spread->moves[i] = 0;
		if (*first == KNOT_NOBODY && !spread->threads[i].parked)
			*first = (int32_t)i;
	}
	for (unsigned i = 0; i < spread->count; i++)
		list_waiter(spread, i);
}

/* Processes of which not all is seen, or in which nobody waits for anybody. */
static void let_the_unknown_go(struct spread *spread)
{
	const struct knot_processes *processes = spread->processes;

	for (unsigned i = 0; i < processes->count; i++) {
		if (!processes->whole[i] || processes->first_thread[i] == KNOT_NOBODY) {
			let_all_go(spread, processes->first_waiter[i]);
			processes->first_waiter[i] = KNOT_NOBODY;
		}
	}
}

static void bind(const struct spread *spread, unsigned at)
{
	const struct knot_processes *processes = spread->processes;
	struct knot_thread *thread = &spread->threads[at];
	int32_t process = process_awaited(spread, at);

	if (process == KNOT_NOBODY)
		return;
	if (spread->moves[at] || thread->parked) {
		thread->waits_for = KNOT_NOBODY;
	} else if (process == processes->process_of[at]) {
		thread->waits_for = (int32_t)at;
		thread->may_be_own = true;
	} else {
		thread->waits_for = processes->first_thread[process];
	}
}

void knots_bind(struct knot_thread *threads, unsigned count, const struct knot_processes *processes,
	const struct knots_room *room)
{
	struct spread spread = {
		threads, processes, count, 0, room->knot_of, room->seen, room->pool_size, room->pool_stuck};

	list_all(&spread);
	let_the_unknown_go(&spread);
	for (unsigned i = 0; i < spread.queued; i++) {
		uint32_t at = spread.queue[i];
		int32_t *waiters = &processes->first_waiter[processes->process_of[at]];

		let_all_go(&spread, spread.first_waiter[at]);
		let_all_go(&spread, *waiters);
		*waiters = KNOT_NOBODY;
	}
	for (unsigned i = 0; i < count; i++)
		bind(&spread, i);
}
