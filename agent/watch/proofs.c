/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/proofs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "judge/calls.h"
#include "lifesign/segment.h"
#include "watch/evidence.h"
#include "watch/locks.h"
#include "watch/procfs.h"

/* How long a thread stands before it is asked, how often then, and how far apart samples must agree. */
#define STANDS_NS (300 * NS_PER_MS)
#define LOOK_EVERY_NS (240 * NS_PER_MS)
#define LOOK_SETTLED_NS NS_PER_SECOND /* once samples agree */
#define AGREE_NS (500 * NS_PER_MS)
enum { SAMPLES = 3, HINT = 64 };

/* A sample of a lock that nobody looked at for so long proves nothing any more. */
#define FRESH_NS (2 * NS_PER_SECOND)

/* glibc waits for a thread's end on the tid in its descriptor; both are near each other. */
enum { DESCRIPTOR_BYTES = 4096, LOCK_SPAN = 64 };

/* Who was woken in a cond_wait waits for its mutex without a limit, whatever the call had; asked about only while
 * somebody else stands in a lock. */
static bool is_candidate(const struct proofs *proofs, const struct slot_now *slot, const struct notebook_track *track, int64_t now)
{
	enum call_class class = call_info((uint32_t)(track->call & CALL_OP_MASK))->class;
	bool waits = (class == CLASS_LOCK || class == CLASS_JOIN) && !(track->call & CALL_TIMED);

	if (!waits && !(class == CLASS_COND && slot->record.extra && proofs->somebody))
		return false;
	return !slot->moved && !slot->record.torn && now - track->since >= STANDS_NS;
}

/* ---- one sample */

static bool task_exists(pid_t pid, pid_t tid)
{
	char path[64];
	struct stat status;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d", pid, tid);
	return stat(path, &status) == 0 || errno != ENOENT;
}

/* Of a lock that processes share the owner may be anywhere. */
static bool owner_exists(const struct process_row *row, const struct lock_facts *lock)
{
	char path[64];
	struct stat status;

	if (!lock->shared)
		return task_exists(row->pid, lock->owner);
	(void)snprintf(path, sizeof(path), "/proc/%d", lock->owner);
	return stat(path, &status) == 0 || errno != ENOENT;
}

static void sample_lock(const struct process_row *row, const char *op, struct slot_proof *out)
{
	struct lock_facts lock;

	locks_read(row, op, out->object, &lock);
	out->owner = lock.owner;
	out->normal = lock.kind == LOCK_NORMAL || lock.kind == LOCK_ADAPTIVE;
	if (lock.owner && !lock.robust)
		out->orphan = !owner_exists(row, &lock) && task_exists(row->pid, row->pid);
	if (out->futex < out->object || out->futex >= out->object + LOCK_SPAN)
		out->owner = 0; /* the kernel says it sleeps elsewhere */
}

static void sample_join(const struct process_row *row, const struct slot_record *record, struct slot_proof *out)
{
	struct reach_target target = tree_target(row);
	int32_t tid = 0;

	if (out->futex < record->object || out->futex >= record->object + DESCRIPTOR_BYTES)
		return;
	if (reach_memory(&target, out->futex, &tid, sizeof(tid)) == sizeof(tid) && tid > 0 && task_exists(row->pid, tid))
		out->owner = tid;
}

/* True when it sleeps for the mutex, and not for the condition any more. */
static bool sample_reacquire(const struct process_row *row, const struct slot_now *slot, struct slot_proof *out)
{
	out->object = slot->record.extra;
	if (out->futex < out->object || out->futex >= out->object + LOCK_SPAN)
		return false;
	sample_lock(row, "pthread_mutex_lock", out);
	return true;
}

/* False: asked at a moment when it was not asleep there (a signal's handler): that is no sample, and no harm. */
static bool take_sample(const struct process_row *row, const struct slot_now *slot, const struct notebook_track *track,
	struct slot_proof *out)
{
	const struct call_info *info = call_info((uint32_t)(track->call & CALL_OP_MASK));
	struct evidence evidence;

	*out = (struct slot_proof){.entries = track->entries, .object = slot->record.object};
	if (!evidence_read_syscall(row, slot->record.tid, &evidence))
		return false;
	out->futex = evidence_futex(&evidence);
	if (!out->futex)
		return false;
	if (info->class == CLASS_COND)
		return sample_reacquire(row, slot, out);
	if (info->class == CLASS_LOCK)
		sample_lock(row, info->name, out);
	else
		sample_join(row, &slot->record, out);
	return true;
}

static bool agree(const struct slot_proof *a, const struct slot_proof *b)
{
	return a->entries == b->entries && a->object == b->object && a->owner == b->owner && a->futex == b->futex && a->orphan == b->orphan;
}

static bool look_is_due(const struct slot_proof *proof, int64_t now)
{
	return now - proof->looked >= (proof->samples > 2 * SAMPLES ? LOOK_SETTLED_NS : LOOK_EVERY_NS);
}

static void look_at(struct slot_now *slot, const struct notebook_track *track, const struct process_row *row, int64_t now)
{
	struct slot_proof sample;

	slot->proof.looked = now;
	if (!take_sample(row, slot, track, &sample))
		return;
	if (!slot->proof.samples || !agree(&slot->proof, &sample)) {
		sample.since = now;
		sample.looked = now;
		slot->proof = sample;
	}
	slot->proof.samples++;
	slot->proof.sampled = now;
}

static bool is_proven(const struct slot_now *slot, const struct notebook_track *track, int64_t now)
{
	const struct slot_proof *proof = &slot->proof;

	return proof->samples >= SAMPLES && proof->entries == track->entries && !slot->moved && proof->sampled - proof->since >= AGREE_NS &&
	       now - proof->sampled <= FRESH_NS;
}

/* ---- the graph */

static const struct slots *sorting; /* owner: the sampler, for the duration of one qsort or bsearch */

static pid_t tid_at(uint32_t position)
{
	return sorting->now[sorting->order[position]].record.tid;
}

static int by_tid(const void *a, const void *b)
{
	pid_t left = tid_at(*(const uint32_t *)a), right = tid_at(*(const uint32_t *)b);

	return left < right ? -1 : left > right;
}

/* Its position in order[], KNOT_NOBODY when it has no slot. Tids are unique on the machine. */
static int32_t find_tid(const struct proofs *proofs, pid_t tid)
{
	unsigned low = 0, high = proofs->count;

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

/* Who else has, or had last, to do with this object? Then whoever it was may unlock it, too. */
static bool is_touched_by_another(const struct slots *slots, uint32_t index, uint64_t object)
{
	for (uint32_t i = 0; i < slots->order_count; i++) {
		const struct slot_now *other = &slots->now[slots->order[i]];

		if (slots->order[i] != index && other->live && (other->record.object == object || other->record.extra == object))
			return true;
	}
	return false;
}

static bool is_critical(const struct slot_now *slot)
{
	return slot->role == THREAD_MAIN || slot->role == THREAD_LOOP || slot->role == THREAD_LISTENER;
}

static void fill_thread(struct proofs *proofs, const struct slots *slots, uint32_t at, int64_t now)
{
	const uint32_t index = slots->order[at];
	const struct slot_now *slot = &slots->now[index];
	struct knot_thread *thread = &proofs->threads[at];

	*thread = (struct knot_thread){.waits_for = KNOT_NOBODY, .critical = is_critical(slot)};
	if (!slot->live || !slot->proof.samples || !is_proven(slot, &slots->notebook->tracks[index], now))
		return;
	thread->proven = true;
	thread->object = slot->proof.object;
	thread->orphan = slot->proof.orphan;
	if (slot->proof.owner)
		thread->waits_for = find_tid(proofs, slot->proof.owner);
	if (thread->waits_for == (int32_t)at)
		thread->may_be_own = slot->proof.normal && !is_touched_by_another(slots, index, slot->proof.object);
}

/* Threads of a pool began with the same routine in the same process: they get the position of the first such one. */
static void number_pools(struct proofs *proofs, const struct slots *slots)
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

		if (!routine || (pools[at].number && (pools[at].routine != routine || pools[at].row != slot->row)))
			continue; /* of no pool, or one too many */
		if (!pools[at].number) {
			pools[at].routine = routine;
			pools[at].row = slot->row;
			pools[at].number = i + 1;
		}
		proofs->threads[i].pool = pools[at].number;
	}
}

/* NULL: no memory, and the old one stays. */
static void *grow(void *array, size_t count, size_t bytes)
{
	return realloc(array, count * bytes);
}

/* Tables that grew beside one that could not are as large as they say and a bit more. */
static bool make_room(struct proofs *proofs, unsigned count)
{
	unsigned room = proofs->room ? proofs->room : 64;
	void *grown;

	while (room < count)
		room *= 2;
	if (room == proofs->room)
		return true;
#define GROW(table) ((grown = grow(proofs->table, room + 1, sizeof(*proofs->table))) ? (proofs->table = grown, true) : false)
	if (!GROW(threads) || !GROW(knot_of) || !GROW(seen) || !GROW(by_tid) || !GROW(pool_size) || !GROW(pool_stuck))
		return false;
#undef GROW
	proofs->room = room;
	return true;
}

static void find_knots(struct proofs *proofs, const struct slots *slots, int64_t now)
{
	proofs->knot_count = 0;
	if (!make_room(proofs, slots->order_count))
		return; /* no memory: nothing is claimed */
	proofs->count = slots->order_count;
	for (uint32_t i = 0; i < proofs->count; i++)
		proofs->by_tid[i] = i;
	sorting = slots;
	qsort(proofs->by_tid, proofs->count, sizeof(*proofs->by_tid), by_tid);
	for (uint32_t i = 0; i < proofs->count; i++)
		fill_thread(proofs, slots, i, now);
	number_pools(proofs, slots);
	proofs->knot_count = knots_find(proofs->threads, proofs->count,
		&(struct knots_room){proofs->knot_of, proofs->seen, proofs->pool_size, proofs->pool_stuck}, proofs->knots, PROOFS_KNOTS);
}

/* Whoever is in a knot waits for somebody who waits, too, or for nobody who lives: seldom, and cheap to see. */
struct hint {
	pid_t waiters[HINT], owners[HINT];
	unsigned count;
	bool orphan;
};

static void add_hint(struct hint *hint, const struct slot_now *slot)
{
	if (hint->count < HINT) {
		hint->waiters[hint->count] = slot->record.tid;
		hint->owners[hint->count] = slot->proof.owner;
	}
	hint->count++;
	hint->orphan |= slot->proof.orphan;
}

static bool may_be_knotted(const struct hint *hint)
{
	if (hint->orphan || hint->count > HINT)
		return true;
	for (unsigned i = 0; i < hint->count; i++) {
		for (unsigned j = 0; j < hint->count; j++) {
			if (hint->owners[i] == hint->waiters[j])
				return true;
		}
	}
	return false;
}

void proofs_look(struct proofs *proofs, struct slots *slots, const struct tree *tree, int64_t now, unsigned *left)
{
	struct hint hint = {.count = 0};

	for (uint32_t i = 0; i < slots->order_count; i++) {
		const uint32_t index = slots->order[i];
		struct slot_now *slot = &slots->now[index];
		const struct notebook_track *track = &slots->notebook->tracks[index];

		if (!slot->live || !is_candidate(proofs, slot, track, now)) {
			slot->proof.samples = 0;
			continue;
		}
		if (*left && look_is_due(&slot->proof, now) && tree->rows[slot->row].readable) {
			(*left)--;
			look_at(slot, track, &tree->rows[slot->row], now);
		}
		if (is_proven(slot, track, now))
			add_hint(&hint, slot);
	}
	proofs->knot_count = 0;
	proofs->somebody = hint.count > 0;
	if (may_be_knotted(&hint))
		find_knots(proofs, slots, now);
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
	free(proofs->by_tid);
	free(proofs->pool_size);
	free(proofs->pool_stuck);
	*proofs = (struct proofs){0};
}
