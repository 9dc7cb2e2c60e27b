/* SPDX-License-Identifier: Apache-2.0 */
/* From proven waits to the graph of judge/knots.h. */
#include <stdlib.h>
#include <string.h>

#include "judge/knots_processes.h"
#include "watch/procfs.h"
#include "watch/proofs.h"

static const struct slots *sorting; /* owner: the sampler, for the duration of one qsort or search */

static pid_t tid_at(uint32_t position)
{
	return sorting->now[sorting->order[position]].record.tid;
}

static int by_tid(const void *a, const void *b)
{
	pid_t left = tid_at(*(const uint32_t *)a), right = tid_at(*(const uint32_t *)b);

	return left < right ? -1 : left > right;
}

/* Tids are unique on the machine. */
int32_t proofs_find_tid(const struct proofs *proofs, const struct slots *slots, pid_t tid)
{
	unsigned low = 0, high = proofs->count;

	sorting = slots;
	while (low < high) {
		unsigned middle = (low + high) / 2;
		pid_t found = tid_at(proofs->by_tid[middle]);

		if (found == tid)
			return (int32_t)proofs->by_tid[middle];
		if (found < tid)
			low = middle + 1;
		else
			high = middle;
	}
	return KNOT_NOBODY;
}

/* Children come and go; only when somebody who counts waits for one does its fate matter. */
static bool is_critical(const struct slot_now *slot, const struct process_row *row)
{
	return row->role != PROCESS_CHILD &&
	       (slot->role == THREAD_MAIN || slot->role == THREAD_LOOP || slot->role == THREAD_LISTENER);
}

static int32_t row_of(const struct tree *tree, pid_t pid)
{
	const struct process_row *row = pid ? tree_find(tree, pid) : NULL;

	return row ? (int32_t)(row - tree->rows) : KNOT_NOBODY;
}

static void fill_thread(
	struct proofs *proofs, const struct slots *slots, const struct tree *tree, uint32_t at, int64_t now)
{
	const uint32_t index = slots->order[at];
	const struct slot_now *slot = &slots->now[index];
	struct knot_thread *thread = &proofs->threads[at];

	*thread = (struct knot_thread){.waits_for = KNOT_NOBODY};
	proofs->process_of[at] = slot->live ? (int32_t)slot->row : (int32_t)tree->count;
	proofs->waits_on[at] = KNOT_NOBODY;
	proofs->live[proofs->process_of[at]]++;
	if (!slot->live)
		return;
	thread->critical = is_critical(slot, &tree->rows[slot->row]);
	if (!slot->proof.samples || slot->proof.kind == PROOF_NOTHING ||
		!proofs_is_proven(slot, &slots->notebook->tracks[index], now))
		return;
	thread->proven = true;
	thread->object = slot->proof.object;
	thread->orphan = slot->proof.orphan;
	thread->parked = slot->proof.kind == PROOF_PARKED;
	thread->may_be_own =
		slot->proof.kind == PROOF_ONCE; /* who runs it and waits for it is alone with that */
	if (slot->proof.process)
		proofs->waits_on[at] = row_of(tree, slot->proof.process);
	else if (slot->proof.owner)
		thread->waits_for = proofs_find_tid(proofs, slots, slot->proof.owner);
}

/* ---- in which order they were seen */

/* Whoever had a lock when a waiter was asked may have given it to somebody else before he himself began to
 * wait. So the waiter must have been asked again since: from then on its owner stands, and gives back nothing.
 * Whom a thread joins, or which child it waits for, does not change within a call. */
static bool is_lock(const struct slot_proof *proof)
{
	return proof->kind != PROOF_THREAD && proof->kind != PROOF_CHILD && proof->kind != PROOF_PARKED;
}

static const struct slot_proof *proof_at(const struct slots *slots, uint32_t at)
{
	return &slots->now[slots->order[at]].proof;
}

static int64_t owner_stood(const struct proofs *proofs, const struct slots *slots, uint32_t at)
{
	int32_t owner = proofs->threads[at].waits_for;

	if (proofs->waits_on[at] != KNOT_NOBODY)
		return proofs->stood[proofs->waits_on[at]];
	return owner != KNOT_NOBODY && proofs->threads[owner].proven ? proof_at(slots, (uint32_t)owner)->since
								     : INT64_MIN;
}

static void drop_old_news(struct proofs *proofs, struct slots *slots, const struct tree *tree)
{
	for (unsigned i = 0; i <= tree->count; i++)
		proofs->stood[i] = INT64_MIN;
	for (uint32_t i = 0; i < proofs->count; i++) {
		int64_t *stood = &proofs->stood[proofs->process_of[i]];

		if (proofs->threads[i].proven && proof_at(slots, i)->since > *stood)
			*stood = proof_at(slots, i)->since;
	}
	for (uint32_t i = 0; i < proofs->count; i++) {
		struct slot_proof *proof = &slots->now[slots->order[i]].proof;

		if (!proofs->threads[i].proven || !is_lock(proof) ||
			proof->sampled > owner_stood(proofs, slots, i))
			continue;
		proofs->threads[i].waits_for = proofs->waits_on[i] = KNOT_NOBODY;
		proof->looked = 0;
	}
}

/* Threads of a pool began with the same routine in the same process: they get the position of the first such
 * one. */
static void number_pools(struct proofs *proofs, const struct slots *slots, const struct tree *tree)
{
	enum { BUCKETS = 256 };
	struct {
		uint64_t routine;
		uint32_t row, number;
	} pools[BUCKETS] = {0};

	for (uint32_t i = 0; i < slots->order_count; i++) {
		const struct slot_now *slot = &slots->now[slots->order[i]];
		uint64_t routine = slot->record.start_routine;
		unsigned at = (unsigned)(routine >> 4) % BUCKETS;

		if (!slot->live || tree->rows[slot->row].role == PROCESS_CHILD)
			continue;
		if (!routine ||
			(pools[at].number && (pools[at].routine != routine || pools[at].row != slot->row)))
			continue; /* of no pool, or one too many */
		if (!pools[at].number) {
			pools[at].routine = routine;
			pools[at].row = slot->row;
			pools[at].number = i + 1;
		}
		proofs->threads[i].pool = pools[at].number;
	}
}

/* ---- rooms */

/* NULL: no memory, and the old one stays. */
static void *grow(void *array, size_t count, size_t bytes)
{
	return realloc(array, count * bytes);
}

#define GROW(table)                                                                                            \
	((grown = grow(proofs->table, room + 1, sizeof(*proofs->table))) ? (proofs->table = grown, true)       \
									 : false)

/* Tables that grew beside one that could not are as large as they say and a bit more. */
static bool make_room(struct proofs *proofs, unsigned count)
{
	unsigned room = proofs->room ? proofs->room : 64;
	void *grown;

	while (room < count)
		room *= 2;
	if (room == proofs->room)
		return true;
	if (!GROW(threads) || !GROW(knot_of) || !GROW(seen) || !GROW(by_tid) || !GROW(pool_size) ||
		!GROW(pool_stuck) || !GROW(process_of) || !GROW(waits_on))
		return false;
	proofs->room = room;
	return true;
}

static bool make_rows(struct proofs *proofs, unsigned count)
{
	unsigned room = proofs->rows_room ? proofs->rows_room : 8;
	void *grown;

	while (room < count)
		room *= 2;
	if (room == proofs->rows_room)
		return true;
	if (!GROW(first_waiter) || !GROW(first_thread) || !GROW(live) || !GROW(whole) || !GROW(stood))
		return false;
	proofs->rows_room = room;
	return true;
}

#undef GROW

/* ---- processes */

/* Are all its threads among ours? Asked of those only for whom somebody waits. */
static void find_whole(struct proofs *proofs, const struct tree *tree)
{
	struct proc_stat stat;

	memset(proofs->whole, 0, (tree->count + 1) * sizeof(*proofs->whole));
	for (uint32_t i = 0; i < proofs->count; i++) {
		int32_t row = proofs->waits_on[i];

		if (row == KNOT_NOBODY || proofs->whole[row] || tree->rows[row].unseen ||
			tree->rows[row].coverage != COVERAGE_SHIM)
			continue;
		proofs->whole[row] = proc_thread_stat(tree->rows[row].pid, tree->rows[row].pid, &stat) == 0 &&
				     stat.threads == proofs->live[row];
	}
}

void proofs_find_knots(struct proofs *proofs, struct slots *slots, const struct tree *tree, int64_t now)
{
	if (!make_room(proofs, slots->order_count) || !make_rows(proofs, tree->count + 1))
		return; /* no memory: nothing is claimed */
	const struct knots_room room = {proofs->knot_of, proofs->seen, proofs->pool_size, proofs->pool_stuck};
	const struct knot_processes processes = {proofs->process_of, proofs->waits_on, proofs->whole,
		tree->count + 1, proofs->first_waiter, proofs->first_thread};

	proofs->count = slots->order_count;
	for (uint32_t i = 0; i < proofs->count; i++)
		proofs->by_tid[i] = i;
	sorting = slots;
	qsort(proofs->by_tid, proofs->count, sizeof(*proofs->by_tid), by_tid);
	memset(proofs->live, 0, (tree->count + 1) * sizeof(*proofs->live));
	for (uint32_t i = 0; i < proofs->count; i++)
		fill_thread(proofs, slots, tree, i, now);
	drop_old_news(proofs, slots, tree);
	number_pools(proofs, slots, tree);
	find_whole(proofs, tree);
	knots_bind(proofs->threads, proofs->count, &processes, &room);
	proofs->knot_count = knots_find(proofs->threads, proofs->count, &room, proofs->knots, PROOFS_KNOTS);
}

int32_t proofs_next(const struct proofs *proofs, int32_t at)
{
	const struct knot_thread *thread = &proofs->threads[at];

	return thread->proven && !thread->orphan ? thread->waits_for : KNOT_NOBODY;
}

void proofs_end(struct proofs *proofs)
{
	free(proofs->threads);
	free(proofs->knot_of);
	free(proofs->seen);
	free(proofs->process_of);
	free(proofs->waits_on);
	free(proofs->by_tid);
	free(proofs->pool_size);
	free(proofs->pool_stuck);
	free(proofs->first_waiter);
	free(proofs->first_thread);
	free(proofs->live);
	free(proofs->stood);
	free(proofs->whole);
	*proofs = (struct proofs){0};
}
