/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/progress_parts.h"

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "judge/calls.h"
#include "judge/home.h"
#include "lifesign/segment.h"

/* How long a thread stands before the kernel is asked, and how often then: a loop's clock lives of fresh answers. */
#define STANDS_NS (200 * NS_PER_MS)
#define LOOP_EVERY_NS (240 * NS_PER_MS)
#define OTHERS_EVERY_NS NS_PER_SECOND
#define AGAIN_NS (5 * NS_PER_SECOND) /* what a wait is on is asked anew, though the thread stands: peers come and go */

enum { POOL_BUCKETS = 1024 };

/* ---- numbers that hold until the tree is read again */

static uint32_t bucket_of(const struct progress *progress, pid_t tid)
{
	return (uint32_t)tid * UINT32_C(2654435761) & (progress->tids - 1);
}

int32_t progress_find_tid(const struct service *service, pid_t tid)
{
	const struct progress *progress = &service->progress;

	for (uint32_t at = bucket_of(progress, tid); progress->by_tid[at]; at = (at + 1) & (progress->tids - 1)) {
		uint32_t index = progress->by_tid[at] - 1;

		if (service->slots.now[index].record.tid == tid && service->slots.now[index].live)
			return (int32_t)index;
	}
	return LADDER_NOBODY;
}

static void note_tid(struct progress *progress, pid_t tid, uint32_t index)
{
	uint32_t at = bucket_of(progress, tid);

	while (progress->by_tid[at])
		at = (at + 1) & (progress->tids - 1);
	progress->by_tid[at] = index + 1;
}

/* Threads of a pool began with the same routine in the same process. One more kind than there is room for has no pool. */
static void note_pool(struct progress *progress, const struct slot_now *slot, uint32_t index, uint32_t *pools)
{
	static uint64_t routines[POOL_BUCKETS]; /* owner: the sampler, for the duration of one numbering */
	static uint32_t rows[POOL_BUCKETS];
	uint64_t routine = slot->record.start_routine;
	unsigned at = (unsigned)(routine >> 4 ^ slot->row) % POOL_BUCKETS;

	progress->pool_of[index] = 0;
	if (!routine || (pools[at] && (routines[at] != routine || rows[at] != slot->row)))
		return;
	if (!pools[at]) {
		routines[at] = routine;
		rows[at] = slot->row;
		pools[at] = ++progress->pools;
	}
	progress->pool_of[index] = pools[at];
}

static void number(struct service *service)
{
	struct progress *progress = &service->progress;
	uint32_t pools[POOL_BUCKETS] = {0};

	progress->pools = 0;
	memset(progress->by_tid, 0, progress->tids * sizeof(*progress->by_tid));
	for (uint32_t i = 0; i < service->slots.order_count; i++) {
		uint32_t index = service->slots.order[i];

		note_tid(progress, service->slots.now[index].record.tid, index);
		note_pool(progress, &service->slots.now[index], index, pools);
	}
	progress->assigned = service->tree_read;
}

static bool make_room(struct service *service)
{
	struct progress *progress = &service->progress;
	uint32_t count = service->slots.view.slot_count;

	if (progress->slots == count)
		return true;
	progress->looks = calloc(count, sizeof(*progress->looks));
	progress->threads = calloc(count, sizeof(*progress->threads));
	progress->pool_of = calloc(count, sizeof(*progress->pool_of));
	progress->by_tid = calloc(2 * (size_t)count, sizeof(*progress->by_tid));
	progress->ladder.clocks = calloc(count, sizeof(*progress->ladder.clocks));
	progress->ladder.pools = calloc(POOL_BUCKETS + 1, sizeof(*progress->ladder.pools));
	if (!progress->looks || !progress->threads || !progress->pool_of || !progress->by_tid || !progress->ladder.clocks ||
		!progress->ladder.pools) {
		progress_end(progress);
		return false;
	}
	progress->slots = count; /* a power of two */
	progress->tids = 2 * count;
	return true;
}

/* ---- one look */

static uint32_t op_of(const struct slot_now *slot)
{
	return (uint32_t)(slot->record.call & CALL_OP_MASK);
}

static bool stands(const struct slot_now *slot, const struct notebook_track *track, int64_t now)
{
	return slot->live && slot->state != THREAD_IDLE && !slot->moved && !slot->record.torn && track->since <= now - STANDS_NS;
}

/* Only who could be one of many, or holds up somebody, is worth a question beside the loops. */
static bool is_due(const struct slot_now *slot, const struct progress_thread *thread, int64_t now)
{
	bool same = thread->claim == slot->record.claim && thread->entries == slot->record.entries && thread->op == op_of(slot);

	return !same || now - thread->asked >= (slot->role == THREAD_LOOP ? LOOP_EVERY_NS : OTHERS_EVERY_NS);
}

static void ask_kernel(struct ladder_look *look, const struct slot_now *slot, const struct evidence *evidence, int64_t now)
{
	look->kernel_read = now;
	look->kernel_entries = slot->record.entries;
	look->kernel_op = op_of(slot);
	look->kernel_state = evidence->state;
	look->syscall = evidence->syscall == SYSCALL_UNKNOWN ? LADDER_SYSCALL_UNKNOWN
		: evidence->syscall == SYSCALL_NONE          ? LADDER_NO_SYSCALL
							     : evidence->syscall;
	look->in_futex = evidence->syscall == SYS_futex;
	look->futex = evidence_futex(evidence);
	look->cpu_ns = evidence->cpu_ns;
	look->delay_ns = evidence->delay_ns;
	look->switches = evidence->switches;
}

/* The slot is read again behind the kernel: what was asked must be of this very stand. */
static bool has_moved(const struct service *service, uint32_t index, const struct slot_now *slot)
{
	return view_slot_entries(&service->slots.view, index) != slot->record.entries;
}

/* A stranger without a name may be one of the connections that have been read since. */
static bool is_stale(const struct progress *progress, const struct progress_thread *thread, int64_t now)
{
	bool nameless = thread->answer.on == WAIT_EXTERNAL && !thread->answer.peer[0];

	return now - thread->answered >= AGAIN_NS || thread->answer.on == WAIT_UNKNOWN ||
	       (nameless && progress->front.read > thread->answered);
}

static void ask(struct service *service, uint32_t index, int64_t now)
{
	struct progress *progress = &service->progress;
	const struct slot_now *slot = &service->slots.now[index];
	const struct process_row *row = &service->tree.rows[slot->row];
	struct progress_thread *thread = &progress->threads[index];
	bool same = thread->claim == slot->record.claim && thread->entries == slot->record.entries && thread->op == op_of(slot);
	struct wait_on_look look = {.tree = &service->tree, .front = &progress->front, .row = row, .record = &slot->record};
	struct evidence evidence;

	if (!evidence_read(row, slot->record.tid, &evidence) || has_moved(service, index, slot))
		return;
	ask_kernel(&progress->looks[index], slot, &evidence, now);
	look.evidence = &evidence;
	if (!same || is_stale(progress, thread, now) || evidence.state == 'D') {
		thread->answer = wait_on_find(&look);
		thread->answered = now;
	}
	thread->claim = slot->record.claim;
	thread->entries = slot->record.entries;
	thread->op = op_of(slot);
	thread->asked = now;
}

/* Who must act first, as far as its lock says. */
static int32_t waits_for(const struct service *service, const struct slot_now *slot)
{
	pid_t owner = slot->proof.samples && slot->proof.entries == slot->record.entries ? slot->proof.owner : slot->waits_for.owner;

	return owner > 0 && slot->state != THREAD_IDLE ? progress_find_tid(service, owner) : LADDER_NOBODY;
}

/* Whoever waits in accept at an empty queue is where the next connection will find him, wherever he came from. */
static enum thread_state state_of(const struct service *service, const struct slot_now *slot)
{
	bool accepts = call_info(op_of(slot))->class == CLASS_ACCEPT;

	return accepts && !service->progress.processes[slot->row].queue ? THREAD_IDLE : slot->state;
}

/* Timers are at home in a sleep, whoever else is there is at work. */
static bool rests(const struct service *service, uint32_t index)
{
	const struct slot_now *slot = &service->slots.now[index];
	const struct notebook_track *track = &service->notebook.tracks[index];

	return slot->state == THREAD_SLEEP && slot->role != THREAD_LOOP && slot->role != THREAD_LISTENER &&
	       call_info(op_of(slot))->class == CLASS_SLEEP && home_is_at(&track->home, op_of(slot), track->caller);
}

static void fill_look(struct service *service, uint32_t index)
{
	struct progress *progress = &service->progress;
	const struct slot_now *slot = &service->slots.now[index];
	const struct progress_thread *thread = &progress->threads[index];
	struct ladder_look *look = &progress->looks[index];
	uint32_t op = op_of(slot);

	if (!slot->live) { /* freed since the assignment: it stands for nobody */
		*look = (struct ladder_look){.claim = UINT64_MAX, .state = THREAD_IDLE, .role = THREAD_WORKER, .waits_for = LADDER_NOBODY};
		return;
	}
	if (look->claim != slot->record.claim)
		*look = (struct ladder_look){.syscall = LADDER_SYSCALL_UNKNOWN};
	look->claim = slot->record.claim;
	look->entries = slot->record.entries;
	look->object = slot->record.object;
	look->op = op;
	look->process = slot->row;
	look->pool = progress->pool_of[index];
	look->role = slot->role;
	look->accepts = slot->accepts;
	look->state = state_of(service, slot);
	look->timed = (slot->record.call & CALL_TIMED) != 0;
	look->rests = rests(service, index);
	look->on = ladder_wait_of(op);
	look->waits_for = waits_for(service, slot);
	if (thread->asked && thread->claim == look->claim && thread->entries == look->entries && thread->op == op) {
		look->on = thread->answer.on;
		look->timed |= thread->answer.timed;
	}
}

/* Loops each time it is their turn; the others when it has lasted. */
static void ask_some(struct service *service, int64_t now, unsigned *left)
{
	struct progress *progress = &service->progress;
	const struct slots *slots = &service->slots;
	bool deep = progress_is_deep(progress, now);

	for (uint32_t i = 0; i < slots->order_count && *left; i++) {
		uint32_t index = slots->order[(progress->turn + i) % slots->order_count];
		const struct slot_now *slot = &slots->now[index];

		if ((!deep && slot->role != THREAD_LOOP) || !stands(slot, &slots->notebook->tracks[index], now) ||
			!is_due(slot, &progress->threads[index], now))
			continue;
		(*left)--;
		ask(service, index, now);
		if (!*left)
			progress->turn = (progress->turn + i + 1) % slots->order_count;
	}
}

bool progress_fill_threads(struct service *service, int64_t now, unsigned *left)
{
	struct progress *progress = &service->progress;

	if (!make_room(service))
		return false;
	if (progress->assigned != service->tree_read)
		number(service);
	if (service->slots.order_count)
		ask_some(service, now, left);
	for (uint32_t i = 0; i < service->slots.order_count; i++)
		fill_look(service, service->slots.order[i]);
	progress->frame.looks = progress->looks;
	progress->frame.order = service->slots.order;
	progress->frame.count = service->slots.order_count;
	progress->frame.pools = progress->pools;
	return true;
}

bool progress_somebody_stands(const struct service *service)
{
	for (uint32_t i = 0; i < service->slots.server_count; i++) {
		const struct slot_now *slot = &service->slots.now[service->slots.servers[i]];

		if ((slot->role == THREAD_LOOP || slot->role == THREAD_LISTENER) && slot->live && slot->state != THREAD_IDLE && !slot->moved)
			return true;
	}
	return false;
}
