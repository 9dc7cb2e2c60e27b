/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slots: claiming and freeing, and the calls that are not plain: the first of a thread or process, those of
 * signal handlers inside a call, those inside a call that runs the caller's own code, and those that find
 * the trace of a call that was unwound.
 * Threads: the slot's own. Failure: SELF_REFUSED, counted in the segment. Memory: none.
 */
#include "slot.h"

#include <pthread.h>
#include <stddef.h>

#include <lifesign/calls.h>

#include "process.h"
#include "real.h"

#define TICKET_KIND UINT64_C(3)
#define TICKET_NESTED 1u /* only `nested` was written */
#define TICKET_INSIDE 2u /* inside a container, which is what the slot shows afterwards */

#define OBJECT_BITS 48 /* what fits beside the operation in `container`: a user address */
#define OBJECT_MASK ((UINT64_C(1) << OBJECT_BITS) - 1)

#define SLOTS_LOOKED_AT 256 /* for those of a child that has ended */

#define EXIT_ROUNDS 3 /* PTHREAD_DESTRUCTOR_ITERATIONS - 1: other keys' destructors still have a slot */

#define NUMBER_OF(number, symbol, ...) CALL_##symbol = number,
enum call_number { LS_CALLS_BY_HAND(NUMBER_OF) LS_API_CALLS(NUMBER_OF) };

__thread struct segment_slot *shim_self;

static bool is_slot(const struct segment_slot *slot)
{
	return (uintptr_t)slot > SELF_LAST;
}

static bool runs_caller_code(uint64_t call)
{
	return (call & CALL_OP_MASK) == CALL_pthread_once ||
	       (call & CALL_OP_MASK) == CALL_lifesign_shim_work_begin;
}

static struct segment_slot *take_free_slot(void)
{
	struct segment_header *header = shim_segment.header;
	uint32_t hint = __atomic_load_n(&header->slot_hint, __ATOMIC_RELAXED);

	for (uint32_t i = 0; i <= shim_segment.slot_mask; i++) {
		uint32_t index = (hint + i) & shim_segment.slot_mask;
		struct segment_slot *slot = &shim_segment.slots[index];
		/* differs from that of the owner before, who counted itself before it could free the slot */
		uint64_t generation = __atomic_load_n(&header->threads_started, __ATOMIC_RELAXED) + 1;
		uint64_t nobody = 0;

		if (__atomic_load_n(&slot->claim, __ATOMIC_RELAXED))
			continue;
		/* acquire: whoever freed it has finished with it */
		if (!__atomic_compare_exchange_n(&slot->claim, &nobody, generation << 32 | shim_own.pid, false,
			    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			continue;
		__atomic_add_fetch(&header->threads_started, 1, __ATOMIC_RELAXED);
		__atomic_store_n(&header->slot_hint, index + 1, __ATOMIC_RELAXED);
		return slot;
	}
	return NULL;
}

static void give_back(struct segment_slot *slot)
{
	uint64_t claim = __atomic_load_n(&slot->claim, __ATOMIC_RELAXED);

	if ((uint32_t)claim != shim_own.pid)
		return; /* the supervisor was quicker */
	slot_end(slot);
	slot->nested = 0;
	slot->tid = 0;
	/* release: all that was written above is there before another may claim it */
	if (__atomic_compare_exchange_n(&slot->claim, &claim, 0, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		__atomic_add_fetch(&shim_segment.header->threads_ended, 1, __ATOMIC_RELAXED);
}

void slot_bury(uint32_t pid)
{
	struct segment_header *header = shim_segment.header;
	uint32_t hint = __atomic_load_n(&header->slot_hint, __ATOMIC_RELAXED);

	for (uint32_t i = 1; i <= SLOTS_LOOKED_AT; i++) {
		struct segment_slot *slot = &shim_segment.slots[(hint + HINT_LAG - i) & shim_segment.slot_mask];
		uint64_t claim = __atomic_load_n(&slot->claim, __ATOMIC_ACQUIRE);

		if ((uint32_t)claim != pid || !__atomic_compare_exchange_n(&slot->claim, &claim, SEGMENT_TAKEN,
						      false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			continue;
		slot_end(slot);
		slot->nested = slot->container = 0;
		slot->tid = 0;
		__atomic_store_n(&slot->claim, 0, __ATOMIC_RELEASE); /* partner: the next claim */
		__atomic_add_fetch(&header->threads_ended, 1, __ATOMIC_RELAXED);
	}
}

static void describe(struct segment_slot *slot, uint32_t tid, uint64_t start_routine, uint64_t stack_top)
{
	slot_end(slot);
	slot->object = slot->extra = slot->caller = slot->frame = slot->nested = slot->container = 0;
	slot->process = shim_own.index;
	slot->start_routine = start_routine;
	slot->base = slot->entries;
	slot->stack_top = stack_top;
	slot->stamp = process_stamp();
	for (int i = 0; i < SEGMENT_NAME_BYTES; i++)
		slot->name[i] = 0;
	__atomic_store_n(&slot->tid, tid, __ATOMIC_RELEASE); /* last: with a tid the slot is whole */
}

/* libc keeps the first 32 keys inside the control block: the constructor took care that it is one of these. */
static void arm_exit(struct segment_slot *slot, unsigned int round)
{
	int (*set)(pthread_key_t, const void *) =
		(int (*)(pthread_key_t, const void *))real_functions[REAL_pthread_setspecific];

	if (set && shim_segment.exit_key >= 0)
		set((pthread_key_t)shim_segment.exit_key, (const void *)((uintptr_t)slot + round));
}

static void claim_as(uint32_t tid, uint64_t start_routine, uint64_t stack_top)
{
	struct segment_slot *nobody = SELF_NONE, *slot = take_free_slot();

	if (!slot) {
		__atomic_add_fetch(&shim_segment.header->threads_refused, 1, __ATOMIC_RELAXED);
		__atomic_add_fetch(&shim_segment.processes[shim_own.index].refused, 1, __ATOMIC_RELAXED);
		shim_self = SELF_REFUSED;
		return;
	}
	describe(slot, tid, start_routine, stack_top);
	/* a signal handler may have claimed one meanwhile: one thread, one slot */
	if (!__atomic_compare_exchange_n(
		    &shim_self, &nobody, slot, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
		give_back(slot);
		return;
	}
	arm_exit(slot, 0);
}

void slot_claim(uint64_t start_routine)
{
	if (!shim_segment.header || shim_self != SELF_NONE)
		return;
	if (__atomic_load_n(&shim_own.state, __ATOMIC_ACQUIRE) != OWN_READY)
		return;
	claim_as(process_tid(false), start_routine, process_stack_top((uint64_t)__builtin_frame_address(0)));
}

void slot_after_fork(void)
{
	shim_self = (struct segment_slot *)((uintptr_t)shim_self | SELF_FORKED);
}

/* The slot that this thread had in the process it was forked from; only to look at. */
static const struct segment_slot *parents_slot(void)
{
	uintptr_t self = (uintptr_t)shim_self & ~SELF_FORKED;

	return self > SELF_LAST ? (const struct segment_slot *)self : NULL;
}

/* A new process that has the parent's memory: leaves the parent's slot alone and claims its own. Not before
 * its first call: a child that only execs would pay 10 us of page faults for nothing. */
static void begin_process(void)
{
	bool stale_tid = !((uintptr_t)shim_self & SELF_FORKED);
	const struct segment_slot *parent = parents_slot();
	uint64_t stack_top = parent ? parent->stack_top : 0, frame = (uint64_t)__builtin_frame_address(0);
	uint32_t parent_pid = parent ? (uint32_t)parent->claim : 0;
	uint32_t tid = process_tid(stale_tid);
	uint32_t pid = stale_tid ? process_pid() : tid; /* fork() leaves one thread, the main one */

	shim_self = SELF_NONE;
	/* pid 1 is the first of a namespace that the supervisor does not share */
	if (shim_segment.foreign_pids || pid == 1)
		__atomic_store_n(&shim_own.state, OWN_REFUSED, __ATOMIC_RELEASE);
	else if (process_register(pid, parent_pid))
		claim_as(tid, 0, stack_top > frame ? stack_top : frame);
}

struct segment_slot *slot_mine(void)
{
	if (!shim_segment.header)
		return NULL;
	if (__atomic_load_n(&shim_own.state, __ATOMIC_ACQUIRE) == OWN_NEW)
		begin_process();
	if (__atomic_load_n(&shim_own.state, __ATOMIC_ACQUIRE) != OWN_READY)
		return NULL;
	if (shim_self == SELF_NONE)
		slot_claim(0);
	return is_slot(shim_self) ? shim_self : NULL;
}

void slot_exit(void *value)
{
	struct segment_slot *slot = (struct segment_slot *)((uintptr_t)value & ~TICKET_KIND);
	unsigned int round = (unsigned int)((uintptr_t)value & TICKET_KIND);

	/* another slot than the thread's: a copy of the parent's, in a child that made no call yet */
	if (slot != shim_self || __atomic_load_n(&shim_own.state, __ATOMIC_ACQUIRE) != OWN_READY)
		return;
	if (round < EXIT_ROUNDS) {
		arm_exit(slot, round + 1);
		return;
	}
	shim_self = SELF_GONE;
	give_back(slot);
}

static uintptr_t enter_inside(struct segment_slot *slot, uint64_t outer, uint64_t call, uint64_t object,
	uint64_t extra, uint64_t caller)
{
	if (!(outer & CALL_INSIDE))
		slot->container = (outer & CALL_OP_MASK) << OBJECT_BITS | (slot->object & OBJECT_MASK);
	/* `frame` stays the container's: it tells when that one was unwound */
	slot_begin(slot, call | CALL_INSIDE, object, extra, caller, slot->frame);
	return (uintptr_t)slot | TICKET_INSIDE;
}

uintptr_t slot_enter(uint64_t call, uint64_t object, uint64_t extra, uint64_t caller, uint64_t frame)
{
	struct segment_slot *slot = slot_mine();

	if (!slot)
		return 0;
	uint64_t outer = slot->call;

	/* a call whose wrapper stood no higher than this one no longer runs: it was unwound */
	if (!outer || (frame >= slot->frame && frame <= slot->stack_top)) {
		slot->nested = 0;
		slot_begin(slot, call, object, extra, caller, frame);
		return (uintptr_t)slot;
	}
	if (runs_caller_code(outer))
		return enter_inside(slot, outer, call, object, extra, caller);
	slot->nested = call & CALL_OP_MASK;
	return (uintptr_t)slot | TICKET_NESTED;
}

static void show_container(struct segment_slot *slot)
{
	slot->object = slot->container & OBJECT_MASK;
	slot->extra = 0;
	__atomic_store_n(&slot->call, slot->container >> OBJECT_BITS, __ATOMIC_RELEASE);
}

void slot_leave(uintptr_t ticket)
{
	struct segment_slot *slot = (struct segment_slot *)(ticket & ~TICKET_KIND);

	/* a fork inside a container: the slot is the parent's now */
	if (!slot || slot != shim_self || !shim_own.state)
		return;
	if ((ticket & TICKET_KIND) == TICKET_NESTED)
		slot->nested = 0;
	else if ((ticket & TICKET_KIND) != TICKET_INSIDE)
		slot_end(slot);
	else if (slot->call) /* 0: the whole stack was unwound meanwhile */
		show_container(slot);
}

void slot_unwind(void)
{
	struct segment_slot *slot = shim_self;

	if (!is_slot(slot) || !shim_own.state || !slot->call)
		return;
	slot->nested = 0;
	/* a piece of work spans functions, only its own end ends it */
	if ((slot->call & CALL_INSIDE) && slot->container >> OBJECT_BITS == CALL_lifesign_shim_work_begin)
		show_container(slot);
	else if ((slot->call & CALL_OP_MASK) != CALL_lifesign_shim_work_begin)
		slot_end(slot);
}
