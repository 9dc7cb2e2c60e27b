/* SPDX-License-Identifier: Apache-2.0 */
/* slot.c and process.c on a segment in plain memory: claims, nesting, containers, guarantees G1 to G5. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <sys/auxv.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lifesign/calls.h>

#include "api.h"
#include "join.h"
#include "process.h"
#include "real.h"
#include "slot.h"

enum { SLOTS = 64, PROCESSES = 64, BYTES = SEGMENT_HEADER_BYTES + 128 * (SLOTS + PROCESSES) };
enum { OP_READ = 80, OP_POLL = 40, OP_ONCE = 26, OP_WORK = 250 };

static struct segment_header *segment;

static struct segment_header *make_segment(void)
{
	struct segment_header *made = aligned_alloc(4096, (BYTES + 4095) & ~4095);

	memset(made, 0, BYTES);
	*made = (struct segment_header){.magic = SEGMENT_MAGIC,
		.abi_major = 1,
		.header_bytes = SEGMENT_HEADER_BYTES,
		.process_bytes = 128,
		.process_count = PROCESSES,
		.process_offset = SEGMENT_HEADER_BYTES,
		.slot_bytes = 128,
		.slot_count = SLOTS,
		.slot_offset = SEGMENT_HEADER_BYTES + 128 * PROCESSES,
		.segment_bytes = BYTES};
	return made;
}

static int set_up(void **state)
{
	(void)state;
	segment = make_segment();
	memset(&shim_own, 0, sizeof(shim_own));
	shim_self = SELF_NONE;
	real_find_all();
	shim_segment.libc = LIBC_GLIBC;
	process_learn(getauxval(AT_SYSINFO_EHDR));
	assert_true(join_check(segment, BYTES, &shim_segment));
	assert_true(process_register((uint32_t)getpid(), (uint32_t)getppid()));
	slot_claim(0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	shim_segment.header = NULL;
	free(segment);
	return 0;
}

static void a_claimed_slot_says_whose_it_is(void **state)
{
	struct segment_slot *slot = slot_mine();
	struct segment_process *process = &shim_segment.processes[slot->process];

	(void)state;
	assert_int_equal((uint32_t)slot->claim, getpid());
	assert_int_equal(slot->tid, getpid());
	assert_int_equal((uint32_t)process->claim, getpid());
	assert_int_equal(process->parent, getppid());
	assert_int_equal(process->libc, LIBC_GLIBC);
	assert_true(process->stamp && slot->stamp >= process->stamp);
	assert_true(shim_segment.tid_offset >= 0);
	assert_int_equal(segment->threads_started, 1);
	assert_true(slot->stack_top >= (uint64_t)&slot);
}

static void a_plain_call_is_there_and_gone(void **state)
{
	struct segment_slot *slot = slot_mine();
	uint64_t entries = slot->entries;
	uintptr_t ticket = slot_enter(OP_READ | CALL_TIMED, 3, 4, 5, 6);

	(void)state;
	assert_int_equal(slot->call, OP_READ | CALL_TIMED);
	assert_int_equal(slot->object, 3);
	assert_int_equal(slot->extra, 4);
	assert_int_equal(slot->caller, 5);
	assert_int_equal(slot->frame, 6);
	slot_leave(ticket);
	assert_int_equal(slot->call, 0);
	assert_int_equal(slot->entries, entries + 1);
}

static void g3_a_handlers_call_touches_nested_only(void **state)
{
	struct segment_slot *slot = slot_mine();
	uint64_t here = (uint64_t)&here;
	uintptr_t outer = slot_enter(OP_READ, 3, 0, 0, here);
	struct segment_slot before = *slot;
	uintptr_t inner = slot_enter(OP_POLL, 9, 9, 9, here - 1000);

	(void)state;
	assert_int_equal(slot->nested, OP_POLL);
	slot_leave(inner);
	assert_memory_equal(slot, &before, sizeof(before));
	slot_leave(outer);
}

static void a_call_at_the_same_height_of_the_stack_ends_a_stale_one(void **state)
{
	struct segment_slot *slot = slot_mine();
	uint64_t here = (uint64_t)&here;

	(void)state;
	(void)slot_enter(OP_READ, 3, 0, 0, here); /* never left */
	uintptr_t ticket = slot_enter(OP_POLL, 9, 0, 0, here);

	assert_int_equal(slot->call, OP_POLL);
	slot_leave(ticket);
	assert_int_equal(slot->call, 0);
}

static void a_frame_above_the_threads_stack_is_another_stack(void **state)
{
	struct segment_slot *slot = slot_mine();
	uint64_t here = (uint64_t)&here;
	uintptr_t outer = slot_enter(OP_READ, 3, 0, 0, here);
	uintptr_t inner = slot_enter(OP_POLL, 9, 0, 0, slot->stack_top + 4096);

	(void)state;
	assert_int_equal(slot->call, OP_READ);
	assert_int_equal(slot->nested, OP_POLL);
	slot_leave(inner);
	slot_leave(outer);
}

static void a_container_shows_what_is_called_inside_and_comes_back(void **state)
{
	struct segment_slot *slot = slot_mine();
	uint64_t here = (uint64_t)&here;
	uintptr_t once = slot_enter(OP_ONCE, 0x7000, 0, 0, here);
	uintptr_t inner = slot_enter(OP_READ, 3, 0, 0, here - 100);

	(void)state;
	assert_int_equal(slot->call, OP_READ | CALL_INSIDE);
	assert_int_equal(slot->container, UINT64_C(26) << 48 | 0x7000);
	uintptr_t handler = slot_enter(OP_POLL, 9, 0, 0, here - 1000);

	assert_int_equal(slot->nested, OP_POLL);
	slot_leave(handler);
	slot_leave(inner);
	assert_int_equal(slot->call, OP_ONCE);
	assert_int_equal(slot->object, 0x7000);
	slot_leave(once);
	assert_int_equal(slot->call, 0);
}

static void unwinding_ends_calls_but_not_a_piece_of_work(void **state)
{
	struct segment_slot *slot = slot_mine();
	uint64_t here = (uint64_t)&here;

	(void)state;
	(void)slot_enter(OP_READ, 3, 0, 0, here);
	slot_unwind();
	assert_int_equal(slot->call, 0);
	lifesign_shim_work_begin("x");
	(void)slot_enter(OP_READ, 3, 0, 0, here);
	slot_unwind();
	assert_int_equal(slot->call, OP_WORK);
	slot_unwind();
	assert_int_equal(slot->call, OP_WORK);
	lifesign_shim_work_end();
	assert_int_equal(slot->call, 0);
}

static void leaving_the_parents_call_in_a_child_leaves_the_parents_slot_alone(void **state)
{
	struct segment_slot *slot = slot_mine();
	uintptr_t ticket = slot_enter(OP_ONCE, 3, 0, 0, 6);

	(void)state;
	shim_own.state = OWN_NEW; /* what the kernel does in a child */
	slot_leave(ticket);
	slot_unwind();
	assert_int_equal(slot->call, OP_ONCE);
	slot_after_fork();
	struct segment_slot *own = slot_mine();

	assert_ptr_not_equal(own, slot);
	assert_int_equal(slot->call, OP_ONCE);
	assert_int_equal(shim_segment.processes[own->process].parent, getpid());
}

static void a_full_process_table_leaves_the_process_out_and_says_so(void **state)
{
	(void)state;
	for (int i = 0; i < PROCESSES; i++)
		shim_segment.processes[i].claim = 1;
	shim_own.state = OWN_NEW;
	assert_null(slot_mine());
	assert_null(slot_mine());
	assert_int_equal(segment->processes_refused, 1);
	assert_int_equal(slot_enter(OP_READ, 0, 0, 0, 0), 0);
	slot_leave(0);
}

static void a_full_slot_table_is_asked_once_a_thread(void **state)
{
	(void)state;
	for (int i = 0; i < SLOTS; i++)
		shim_segment.slots[i].claim = 1;
	shim_self = SELF_NONE;
	assert_null(slot_mine());
	assert_null(slot_mine());
	assert_int_equal(segment->threads_refused, 1);
	assert_int_equal(shim_segment.processes[shim_own.index].refused, 1);
}

static void hostile_hints_and_counters_do_not_lead_astray(void **state)
{
	(void)state;
	memset(&segment->threads_started, 0xff, 48);
	segment->slot_count = segment->process_count = 0xffffffff;
	shim_self = SELF_NONE;
	struct segment_slot *slot = slot_mine();

	assert_true(slot >= shim_segment.slots && slot < shim_segment.slots + SLOTS);
	slot->process = 0xffffffff;
	slot->claim = 0;
	slot_exit((void *)((uintptr_t)slot | 3));
	assert_ptr_equal(shim_self, SELF_GONE);
	assert_null(slot_mine());
}

enum { THREADS = 12, TURNS = 300 };

/* With more threads than slots: no two of them ever have the same. */
static void *claim_and_leave(void *clash_)
{
	int *clash = clash_;

	for (int i = 0; i < TURNS; i++) {
		shim_self = SELF_NONE;
		struct segment_slot *slot = slot_mine();

		if (!slot)
			continue;
		uint64_t mine = (uint64_t)&slot + (uint64_t)i;

		slot->extra = mine;
		for (int turn = 0; turn < 20; turn++)
			slot_leave(slot_enter(OP_READ, mine, mine, 0, (uint64_t)&slot));
		if (slot->extra != mine)
			__atomic_store_n(clash, 1, __ATOMIC_RELAXED);
		slot_exit((void *)((uintptr_t)slot | 3));
	}
	return NULL;
}

static void g5_no_two_threads_ever_share_a_slot(void **state)
{
	pthread_t threads[THREADS];
	int clash = 0;

	(void)state;
	for (int i = 0; i < SLOTS - THREADS / 2; i++)
		shim_segment.slots[i].claim = shim_segment.slots[i].claim ? shim_segment.slots[i].claim : 1;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, claim_and_leave, &clash), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(clash, 0);
	assert_int_equal(segment->threads_started, segment->threads_ended + 1);
}

enum { CHILD = 12345, NEPHEW = 12346 };

/* As a child of this process, or of another one, leaves it. */
static void leave(uint32_t entry, uint32_t slot, uint32_t pid, uint32_t parent)
{
	shim_segment.processes[entry] = (struct segment_process){
		.claim = UINT64_C(7) << 32 | pid, .parent = parent, .stamp = 9, .generation = 7};
	shim_segment.slots[slot] = (struct segment_slot){.claim = UINT64_C(8) << 32 | pid,
		.call = OP_READ,
		.entries = 5,
		.base = 2,
		.tid = pid,
		.process = entry};
}

static void what_a_child_left_is_free_once_it_was_waited_for(void **state)
{
	struct segment_slot *own = slot_mine();
	const struct segment_slot *left = &shim_segment.slots[20];

	(void)state;
	segment->process_hint = segment->slot_hint = 21;
	leave(20, 20, CHILD, (uint32_t)getpid());
	leave(19, 19, NEPHEW, (uint32_t)getppid());
	process_bury(CHILD);
	assert_true(shim_segment.processes[20].claim == 0 && shim_segment.processes[20].stamp == 0);
	assert_int_equal(shim_segment.processes[20].generation, 7);
	assert_true(left->claim == 0 && left->call == 0 && left->tid == 0);
	assert_true(left->entries == 5 && left->base == 2); /* G2 */
	assert_int_equal(segment->threads_ended, 1);
	process_bury(NEPHEW); /* somebody else's child */
	process_bury((uint32_t)getpid());
	assert_true((uint32_t)shim_segment.processes[19].claim == NEPHEW &&
		    (uint32_t)shim_segment.slots[19].claim == NEPHEW);
	assert_true((uint32_t)own->claim == (uint32_t)getpid() && segment->threads_ended == 1);
}

static void hints_of_anything_bury_nobody_else(void **state)
{
	(void)state;
	for (uint64_t hint = 0; hint <= UINT32_MAX; hint += 0x01010101) {
		segment->process_hint = segment->slot_hint = (uint32_t)hint;
		leave(20, 20, CHILD, (uint32_t)getpid());
		process_bury(NEPHEW);
		assert_int_equal((uint32_t)shim_segment.processes[20].claim, CHILD);
		process_bury(CHILD); /* a table this small is looked at as a whole */
		assert_true(shim_segment.processes[20].claim == 0 && shim_segment.slots[20].claim == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			what_a_child_left_is_free_once_it_was_waited_for, set_up, tear_down),
		cmocka_unit_test_setup_teardown(hints_of_anything_bury_nobody_else, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_claimed_slot_says_whose_it_is, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_plain_call_is_there_and_gone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(g3_a_handlers_call_touches_nested_only, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_call_at_the_same_height_of_the_stack_ends_a_stale_one, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_frame_above_the_threads_stack_is_another_stack, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_container_shows_what_is_called_inside_and_comes_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			unwinding_ends_calls_but_not_a_piece_of_work, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			leaving_the_parents_call_in_a_child_leaves_the_parents_slot_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_full_process_table_leaves_the_process_out_and_says_so, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_full_slot_table_is_asked_once_a_thread, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			hostile_hints_and_counters_do_not_lead_astray, set_up, tear_down),
		cmocka_unit_test_setup_teardown(g5_no_two_threads_ever_share_a_slot, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
