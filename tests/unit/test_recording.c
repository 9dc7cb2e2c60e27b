/* SPDX-License-Identifier: Apache-2.0 */
/* A recording is judged again as it was judged at first; what is lost or wrong in it costs a record alone. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "judge/recording_parts.h"
#include "support/replay.h"
#include "unit/ladder_histories.h"

enum { FILE_BYTES = 64 << 20, HISTORIES = 150 };

static struct world world;
static struct replay replay;
static unsigned char *file, room[1 << 16];
static size_t used;

static struct recording_state writer;

static void make_state(struct recording_state *state)
{
	static struct ladder_look looks[WORLD_THREADS];
	static uint32_t order[WORLD_THREADS], seen[WORLD_THREADS];
	static struct ladder_process_look processes[WORLD_PROCESSES];
	static struct knot_thread threads[WORLD_THREADS];

	*state = (struct recording_state){.looks = looks,
		.order = order,
		.seen = seen,
		.processes = processes,
		.threads = threads,
		.max_looks = WORLD_THREADS,
		.max_processes = WORLD_PROCESSES};
}

static void append(enum recording_kind kind, size_t bytes)
{
	struct recording_head head = {.magic = RECORDING_MAGIC,
		.bytes = (uint32_t)bytes,
		.check = recording_check(kind, room, bytes),
		.kind = kind};

	assert_true(bytes || kind == RECORD_END);
	assert_true(used + sizeof(head) + bytes <= FILE_BYTES);
	memcpy(file + used, &head, sizeof(head));
	memcpy(file + used + sizeof(head), room, bytes);
	used += sizeof(head) + bytes;
}

static void begin_recording(void)
{
	const struct recording_begin said = {.boot = world.frame.now, .name = "orders"};

	writer.follows = false;
	append(RECORD_BEGIN, recording_write_begin(&said, room, sizeof(room)));
}

/* Whoever stands in a lock stands there for ever. */
static unsigned find_knots(struct knot_thread threads[WORLD_THREADS], struct knot knots[RECORDING_KNOTS])
{
	int32_t of[WORLD_THREADS], seen[WORLD_THREADS];
	uint32_t size[WORLD_THREADS + 1], stuck[WORLD_THREADS + 1];

	for (unsigned i = 0; i < world.frame.count; i++) {
		const struct ladder_look *look = &world.looks[i];

		threads[i] = (struct knot_thread){.waits_for = look->waits_for,
			.proven = look->op == OP_LOCK,
			.orphan = look->op == OP_LOCK && look->waits_for < 0,
			.critical = look->role == THREAD_LOOP,
			.object = look->object,
			.pool = look->pool % (world.frame.count + 1)};
	}
	return knots_find(threads, world.frame.count, &(struct knots_room){of, seen, size, stuck}, knots,
		RECORDING_KNOTS);
}

/* One tick of the world, judged and recorded; without a step of the ladder when nobody asks for one. */
static void note(bool step)
{
	struct service_facts facts = {
		.now = world.frame.now, .covered = true, .startup = STARTUP_DONE, .observe = world.observe};
	struct knot_thread threads[WORLD_THREADS];
	struct knot knots[RECORDING_KNOTS];
	struct verdicts verdicts;
	struct recording_tick tick = {.frame = step ? &world.frame : NULL,
		.learned = &world.ladder.learned,
		.threads = threads,
		.thread_count = world.frame.count,
		.knots = knots,
		.facts = &facts,
		.verdicts = &verdicts};

	tick.knot_count = find_knots(threads, knots);
	facts.deadlock = tick.knot_count ? world.frame.now : 0;
	verdict_judge(&facts, &verdicts);
	if (step)
		ladder_tell(&world.out, world.observe, world.frame.now, &verdicts);
	append(RECORD_TICK, recording_write_tick(&writer, 0, &tick, room, sizeof(room)));
}

static void record_history(void)
{
	begin(&world);
	for (unsigned i = 0; i < world.frame.process_count; i++)
		world.processes[i].pid = 100 + i;
	begin_recording();
	for (unsigned step = 0; step < STEPS; step++) {
		bool asked = !one_in(8);

		change(&world);
		keep_book(&world);
		if (asked)
			tick(&world);
		else
			world.frame.now += TICK;
		note(asked);
	}
}

static void judge_again(void)
{
	replay_end(&replay);
	replay = (struct replay){.max_looks = WORLD_THREADS, .max_processes = WORLD_PROCESSES};
	replay_feed(&replay, file, used);
}

static int prepare(void **state)
{
	(void)state;
	used = 0;
	seed = 42;
	make_state(&writer);
	return 0;
}

static void what_was_judged_is_judged_the_same_again(void **state)
{
	(void)state;
	for (unsigned i = 0; i < HISTORIES; i++)
		record_history();
	judge_again();
	assert_int_equal(replay.begins, HISTORIES);
	assert_int_equal(replay.compared, HISTORIES * STEPS);
	assert_int_equal(replay.wrong + replay.gaps + replay.torn, 0);
	assert_true(replay.deaths > 10 && replay.frames > replay.ticks / 2);
	print_message(
		"%u ticks, %zu bytes a tick, %u deaths\n", replay.ticks, used / replay.ticks, replay.deaths);
}

static void another_judgement_is_found(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10; i++)
		record_history();
	for (unsigned i = 0; i < 10; i++) { /* one that lied */
		record_history();
		world.observe = true;
		note(true);
		world.observe = false;
	}
	judge_again();
	assert_int_equal(replay.wrong, 0); /* the fact that it only observed is part of what was seen */
	world.out.count = 1;
	world.out.findings[0] = (struct ladder_finding){.row = ROW_NO_PROGRESS, .stand = {.level = LEVEL_DEAD, .thread = 0}};
	note(true);
	judge_again();
	assert_int_equal(replay.wrong, 1);
}

static void after_a_gap_nothing_is_compared_until_it_begins_again(void **state)
{
	unsigned char *body;
	size_t before;

	(void)state;
	record_history();
	writer.follows = false;
	change(&world);
	tick(&world);
	note(true);
	record_history();
	judge_again();
	assert_int_equal(replay.gaps, 1);
	assert_int_equal(replay.compared, 2 * STEPS);
	assert_int_equal(replay.wrong + replay.torn, 0);
	before = used;
	record_history();
	body = file + before + (used - before) / 2;
	*body ^= 0x10; /* one record does not check: what follows it cannot be understood */
	record_history();
	judge_again();
	assert_true(replay.torn >= 1 && replay.compared > 3 * STEPS && replay.compared < 4 * STEPS);
	assert_int_equal(replay.begins, 4);
}

static void a_torn_record_costs_itself_alone(void **state)
{
	(void)state;
	record_history();
	used -= 7; /* killed while it wrote; the next agent goes on behind it */
	record_history();
	used -= 3;
	judge_again();
	assert_int_equal(replay.begins, 2);
	assert_int_equal(replay.ticks, 2 * STEPS - 2);
	assert_int_equal(replay.wrong, 0);
	assert_int_equal(replay.torn, 2);
}

/* The names of fields stand in the beginning: one that nobody knows any more is passed over. */
static void fields_may_come_and_go(void **state)
{
	struct recording_head head;
	unsigned char *name;

	(void)state;
	record_history();
	name = memmem(file, used, "backlog_falls", 13);
	assert_non_null(name);
	memcpy(name, "backlog_gone_", 13);
	memcpy(&head, file, sizeof(head));
	head.check = recording_check(head.kind, file + sizeof(head), head.bytes);
	memcpy(file, &head, sizeof(head));
	judge_again();
	assert_int_equal(replay.begins, 1);
	assert_int_equal(replay.ticks, STEPS);
	assert_int_equal(replay.wrong + replay.torn, 0); /* no history has a falling backlog */
}

static void without_room_the_next_one_says_everything(void **state)
{
	struct service_facts facts = {.covered = true};
	struct verdicts verdicts = {0};
	struct recording_tick tick = {.facts = &facts, .verdicts = &verdicts, .frame = &world.frame};

	(void)state;
	record_history();
	assert_int_equal(recording_write_tick(&writer, 0, &tick, room, 3), 0);
	assert_false(writer.follows);
	begin_recording();
	note(true);
	judge_again();
	assert_int_equal(replay.ticks, STEPS + 1);
	assert_int_equal(replay.torn, 0);
}

/* A lock is held by a thread whose slot is free by now: the ladder looks there all the same. */
static void whoever_is_waited_for_is_recorded_without_being_in_the_order(void **state)
{
	uint32_t loop, holder;

	(void)state;
	loop = one_loop(&world);
	holder = add_thread(&world, 0, THREAD_WORKER);
	begin_recording();
	waits(&world, loop, OP_LOCK, WAIT_LOCK);
	world.looks[loop].waits_for = (int32_t)holder;
	waits(&world, holder, OP_RECV, WAIT_EXTERNAL);
	world.frame.count = 1;
	for (unsigned i = 0; i < 400; i++) {
		world.processes[0].unread = true;
		tick(&world);
		note(true);
	}
	judge_again();
	assert_int_equal(replay.compared, 400);
	assert_int_equal(replay.wrong, 0);
	assert_int_equal(replay.services[0]->state.looks[holder].on, WAIT_EXTERNAL);
}

/* Whoever adds a field that judge decides by adds it to recording_fields.c; `from`: lists and pointers, which
 * are written otherwise, begin there. */
static void check_table(enum recording_table table, const unsigned char *ones, size_t from)
{
	unsigned char written[sizeof(struct verdicts)] = {0};
	const struct recording_fields *fields = &recording_tables[table];

	assert_true(fields->count <= RECORDING_FIELDS);
	for (unsigned i = 0; i < fields->count; i++)
		memset(written + fields->fields[i].offset, 1, fields->fields[i].bytes);
	for (size_t i = 0; i < from; i++) {
		if (ones[i] && !written[i])
			fail_msg("table %d: byte %zu belongs to a field that is not recorded", table, i);
	}
}

#if defined(__has_builtin)
#if __has_builtin(__builtin_clear_padding)
#define CLEAR(value) __builtin_clear_padding(&(value))
#endif
#endif
#ifndef CLEAR
#define CLEAR(value) memset(&(value), 0, sizeof(value)) /* this compiler cannot tell: another one does */
#endif

static void every_field_is_recorded(void **state)
{
	union {
		struct ladder_frame frame;
		struct ladder_look look;
		struct ladder_process_look process;
		struct knot_thread thread;
		struct knot knot;
		struct service_facts facts;
		struct reason reason;
		unsigned char bytes[sizeof(struct verdicts)];
	} all;

	(void)state;
#define CHECK(table, member, from)                                                                             \
	memset(&all, 0xff, sizeof(all));                                                                       \
	CLEAR(all.member);                                                                                     \
	check_table(table, all.bytes, from)
	CHECK(TABLE_FRAME, frame, offsetof(struct ladder_frame, looks));
	CHECK(TABLE_LOOK, look, sizeof(all.look));
	memset(&all, 0xff, sizeof(all));
	CLEAR(all.process);
	memset(&all.process.state, 0, sizeof(all.process.state)); /* whose it is is told by `start` and `pid` */
	check_table(TABLE_PROCESS, all.bytes, sizeof(all.process));
	CHECK(TABLE_THREAD, thread, sizeof(all.thread));
	CHECK(TABLE_KNOT, knot, sizeof(all.knot));
	CHECK(TABLE_FACTS, facts, sizeof(all.facts));
	CHECK(TABLE_REASON, reason, sizeof(all.reason));
#undef CHECK
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_was_judged_is_judged_the_same_again, prepare),
		cmocka_unit_test_setup(another_judgement_is_found, prepare),
		cmocka_unit_test_setup(after_a_gap_nothing_is_compared_until_it_begins_again, prepare),
		cmocka_unit_test_setup(a_torn_record_costs_itself_alone, prepare),
		cmocka_unit_test_setup(fields_may_come_and_go, prepare),
		cmocka_unit_test_setup(without_room_the_next_one_says_everything, prepare),
		cmocka_unit_test_setup(whoever_is_waited_for_is_recorded_without_being_in_the_order, prepare),
		cmocka_unit_test(every_field_is_recorded),
	};

	file = replay_room(1, FILE_BYTES);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
