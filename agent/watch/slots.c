/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/slots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "judge/calls.h"
#include "judge/home.h"
#include "lifesign/segment.h"

/* A start time of /proc is rounded down to a clock tick; a claim before it by more than this is somebody else's. */
#define START_TOLERANCE_NS (20 * NS_PER_MS)

/* How long the sum of beats may lack those of threads that are gone. */
#define COUNT_ALL_NS NS_PER_SECOND

int slots_start(struct slots *slots, int segment_fd, struct notebook *notebook)
{
	int ret;

	*slots = (struct slots){.notebook = notebook};
	ret = view_open_own(&slots->view, segment_fd, notebook->slots);
	if (ret < 0)
		return ret;
	if (slots->view.slot_count > notebook->slots)
		slots->view.slot_count = notebook->slots; /* both are powers of two: a smaller notebook sees the first ones */
	slots->now = calloc(slots->view.slot_count, sizeof(*slots->now));
	slots->seen = calloc(slots->view.slot_count, sizeof(*slots->seen));
	slots->order = calloc(slots->view.slot_count, sizeof(*slots->order));
	slots->servers = calloc(slots->view.slot_count, sizeof(*slots->servers));
	slots->known = calloc((slots->view.slot_count + 63) / 64, sizeof(*slots->known));
	return slots->now && slots->seen && slots->order && slots->servers && slots->known ? 0 : -ENOMEM;
}

void slots_stop(struct slots *slots)
{
	view_close(&slots->view);
	free(slots->now);
	free(slots->seen);
	free(slots->order);
	free(slots->servers);
	free(slots->known);
	*slots = (struct slots){0};
}

void slots_note_server(struct slots *slots, uint32_t index)
{
	if (slots->server_count < slots->view.slot_count)
		slots->servers[slots->server_count++] = index;
}

bool slots_is_known(const struct slots *slots, uint32_t index)
{
	return slots->known[index / 64] >> (index % 64) & 1;
}

static uint32_t op_of(uint64_t call)
{
	return (uint32_t)(call & CALL_OP_MASK);
}

/* Waiting at a site counts as seen there when it was found there twice, or when the site can only be a wait. */
static void note_wait(struct notebook_track *track, bool parked)
{
	uint32_t op = op_of(track->call);
	enum call_class class = call_info(op)->class;
	bool always = class == CLASS_EVENT || class == CLASS_ACCEPT || class == CLASS_COND || class == CLASS_SIGNAL;

	if (!op || (!parked && !always) || track->noted == track->entries)
		return;
	home_note_wait(&track->home, op, track->caller, track->noted != 0);
	track->noted = track->entries;
}

/* A thread that this agent sees for the first time; the notebook may know it from the agent before. */
static void adopt(struct notebook_track *track, const struct slot_record *record, int64_t now)
{
	if (notebook_track_is_valid(track) && track->claim == record->claim && track->stamp == record->stamp)
		return;
	*track = (struct notebook_track){.claim = record->claim, .stamp = record->stamp, .since = now};
}

static void restart_track(struct slot_now *slot, struct notebook_track *track, int64_t now)
{
	track->since = now;
	track->entries = slot->record.entries;
	track->call = slot->record.call;
	track->caller = slot->record.caller;
	if (slot->waits_read | slot->kernel_read) { /* mostly nobody asked between two moves */
		slot->waits_read = slot->kernel_read = 0;
		slot->kernel_state = 0;
		slot->waits_for = (struct wait_target){0};
	}
}

/* A thread that has not been here before, or another one in the slot. */
static bool meet(struct slots *slots, uint32_t index, struct notebook_track *track, int64_t now)
{
	struct slot_now *slot = &slots->now[index];

	*slot = (struct slot_now){.row = UINT32_MAX};
	if (!view_slot(&slots->view, index, &slot->record))
		return false;
	if (!slot->record.tid) { /* its owner is still writing it, the tid last: at the next tick */
		slots->started = ~slots->started;
		return false;
	}
	adopt(track, &slot->record, now); /* before the track is opened: what the agent before left must check */
	slot->accepts = slot->serves = track->accepts != 0;
	slots->seen[index].claim = slot->record.claim;
	slots->known[index / 64] |= UINT64_C(1) << (index % 64);
	slots->strangers = true;
	return true;
}

static void follow(struct slots *slots, uint32_t index, int64_t now)
{
	struct slot_now *slot = &slots->now[index];
	struct slot_seen *seen = &slots->seen[index];
	struct notebook_track *track = &slots->notebook->tracks[index];

	view_slot_again(&slots->view, index, &slot->record);
	notebook_track_open(track);
	slot->moved = track->entries != slot->record.entries;
	slot->quiet_until = 0;
	if (slot->moved || track->call != slot->record.call)
		restart_track(slot, track, now);
	if (!slot->record.torn)
		note_wait(track, false);
	notebook_track_close(track);
	seen->call = slot->record.call;
	seen->settled = 0;
	slots->changed = true;
}

static void forget(struct slots *slots, uint32_t index)
{
	slots->now[index] = (struct slot_now){0};
	slots->seen[index].claim = 0;
	slots->known[index / 64] &= ~(UINT64_C(1) << (index % 64));
	slots->changed = true;
	slots->strangers = true; /* the order has a hole */
}

/* Nothing has changed since the tick before: it is parked. Needs to be done once for each stay. */
static void settle(struct slots *slots, uint32_t index)
{
	struct slot_now *slot = &slots->now[index];
	struct notebook_track *track = &slots->notebook->tracks[index];

	slots->seen[index].settled = 1;
	slot->quiet_until = 0;
	slots->changed |= slot->moved;
	slot->moved = false;
	if (track->noted != track->entries && op_of(track->call)) {
		notebook_track_open(track);
		note_wait(track, true);
		notebook_track_close(track);
	}
}

static void count(struct slots *slots, uint32_t index, uint64_t entries)
{
	slots->beats += entries - slots->seen[index].entries;
	slots->seen[index].entries = entries;
}

/* Threads that came and went between two ticks left their entries in slots that are free now. */
static void count_free_ones(struct slots *slots, int64_t now)
{
	for (uint32_t i = 0; i < slots->view.slot_count; i++) {
		if (!slots_is_known(slots, i))
			count(slots, i, view_slot_entries(&slots->view, i));
	}
	slots->counted_all = now;
}

static uint64_t word(const uint64_t *of)
{
	return __atomic_load_n(of, __ATOMIC_ACQUIRE); /* partner: the shim's release of `call` */
}

/* Both inline, and one address for all words: half of what a thread that stays costs. */
static inline void sweep_claimed(struct slots *slots, uint32_t index, const struct segment_slot *slot, uint64_t claim,
				 int64_t now)
{
	const struct slot_seen *seen = &slots->seen[index];
	uint64_t entries = word(&slot->entries), call = word(&slot->call);
	bool same = claim == seen->claim && entries == seen->entries && call == seen->call;

	slots->claimed++;
	if (same && seen->settled)
		return;
	count(slots, index, entries);
	if (same)
		settle(slots, index);
	else if (claim == seen->claim || meet(slots, index, &slots->notebook->tracks[index], now))
		follow(slots, index, now);
}

static inline void sweep_one(struct slots *slots, uint32_t index, int64_t now)
{
	const struct segment_slot *slot = view_slot_at(&slots->view, index);
	uint64_t claim = word(&slot->claim);

	if (claim)
		sweep_claimed(slots, index, slot, claim, now);
	else if (slots_is_known(slots, index))
		forget(slots, index);
}

static void sweep_known(struct slots *slots, int64_t now)
{
	for (uint32_t word = 0; word < (slots->view.slot_count + 63) / 64; word++) {
		for (uint64_t bits = slots->known[word]; bits; bits &= bits - 1)
			sweep_one(slots, word * 64 + (uint32_t)__builtin_ctzll(bits), now);
	}
}

/* Each claim is counted by who makes it: while nobody came, only those that are known can have changed. Whoever
 * lies about that hides himself for a second. */
void slots_sweep(struct slots *slots, int64_t now)
{
	uint64_t started = view_threads_started(&slots->view);
	bool due = now - slots->counted_all >= COUNT_ALL_NS;

	slots->changed = false;
	slots->claimed = 0;
	if (started == slots->started && !due) {
		sweep_known(slots, now);
		return;
	}
	slots->started = started;
	for (uint32_t i = 0; i < slots->view.slot_count; i++)
		sweep_one(slots, i, now);
	if (due)
		count_free_ones(slots, now);
}

static const struct slots *sorting; /* owner: the sampler, for the duration of one qsort */

static int by_row_and_tid(const void *a, const void *b)
{
	const struct slot_now *left = &sorting->now[*(const uint32_t *)a], *right = &sorting->now[*(const uint32_t *)b];

	if (left->row != right->row)
		return left->row < right->row ? -1 : 1;
	return left->record.tid < right->record.tid ? -1 : left->record.tid > right->record.tid;
}

/* A claim is stale when the kernel says that its process began after it (G5), or when the process has made a
 * newer entry since: then it was left behind by an exec. */
static bool is_stale(const struct process_row *row, const struct slot_record *record)
{
	return row->start_ns > record->stamp + (uint64_t)START_TOLERANCE_NS ||
	       (row->entered && row->entry_index != record->process);
}

/* pid -> row of the tree, rebuilt by each assignment. */
enum { PID_BUCKETS = 8192 };
static uint32_t pid_rows[PID_BUCKETS]; /* owner: the sampler; row + 1, 0 = empty; open addressing */

static void index_tree(const struct tree *tree)
{
	memset(pid_rows, 0, sizeof(pid_rows));
	for (uint32_t i = 0; i < tree->count; i++) {
		uint32_t at = (uint32_t)tree->rows[i].pid % PID_BUCKETS;

		while (pid_rows[at])
			at = (at + 1) % PID_BUCKETS;
		pid_rows[at] = i + 1;
	}
}

static uint32_t row_of(const struct tree *tree, pid_t pid)
{
	for (uint32_t at = (uint32_t)pid % PID_BUCKETS; pid_rows[at]; at = (at + 1) % PID_BUCKETS) {
		if (tree->rows[pid_rows[at] - 1].pid == pid)
			return pid_rows[at] - 1;
	}
	return UINT32_MAX;
}

void slots_assign(struct slots *slots, struct tree *tree)
{
	index_tree(tree);
	slots->order_count = slots->server_count = 0;
	slots->strangers = false;
	for (uint32_t i = 0; i < slots->view.slot_count; i++) {
		struct slot_now *slot = &slots->now[i];

		if (!slots_is_known(slots, i))
			continue;
		slot->row = row_of(tree, slot->record.pid);
		slot->live = slot->row != UINT32_MAX && !is_stale(&tree->rows[slot->row], &slot->record);
		if (!slot->live) {
			slots->strangers = true;
			continue;
		}
		slots->order[slots->order_count++] = i;
		if (slot->role == THREAD_LOOP || slot->role == THREAD_LISTENER)
			slots_note_server(slots, i);
	}
	sorting = slots;
	qsort(slots->order, slots->order_count, sizeof(*slots->order), by_row_and_tid);
}
