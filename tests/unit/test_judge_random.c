/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random histories of a service, and what must hold in each of them whatever happens. The books that say what
 * really happened are kept here, apart from the ladder. LIFESIGN_HISTORIES: how many (10^5; a nightly run takes
 * 10^6).
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "unit/ladder_histories.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MANY 10000
#else
#define MANY 100000
#endif

static struct world world, other;

/* ---- what must hold */

/* Proven before: then it was judged at that time. */
static bool was_due(const struct world *before, const struct ladder_finding *finding)
{
	switch (finding->row) {
	case ROW_POOL_EXHAUSTED: return before->states[before->looks[finding->stand.thread].process].pool_due;
	case ROW_NO_PROGRESS: return before->ladder.whole.due;
	case ROW_IDLE_WITH_BACKLOG: return before->ladder.whole.backlog_due;
	default: return before->clocks[finding->stand.thread].due;
	}
}

static void check_loop_death(const struct world *w, const struct ladder_finding *finding)
{
	const uint32_t at = (uint32_t)finding->stand.thread;
	const struct ladder_look *look = &w->looks[at];

	assert_true(look->role == THREAD_LOOP && look->state != THREAD_IDLE);
	assert_true(book.looks[at] >= GOOD_LOOKS);
	assert_true((finding->row == ROW_LOOP_BLOCKED ? book.stands[at] : book.burns[at]) >= LIMIT);
	assert_true(look->kernel_state == (finding->row == ROW_LOOP_BLOCKED ? 'S' : 'R'));
	if (!was_due(w, finding)) {
		assert_true(look->on < WAIT_CHILD);
		assert_true(book.missed[look->process] >= LIMIT);
	}
	assert_int_not_equal(w->processes[look->process].role, PROCESS_CHILD);
}

static void check_pool_death(const struct world *w, const struct ladder_finding *finding)
{
	const struct ladder_look *one = &w->looks[finding->stand.thread];

	if (was_due(w, finding))
		return;
	assert_true(book.untaken[one->process] >= LIMIT);
	for (unsigned i = 0; i < w->frame.count; i++) {
		const struct ladder_look *look = &w->looks[i];

		assert_true(look->process != one->process || look->role != THREAD_LISTENER ||
			    (look->state != THREAD_IDLE && book.stands[i] >= LIMIT));
		assert_true(look->process != one->process || look->on != WAIT_EXTERNAL ||
			    look->state == THREAD_IDLE || book.stands[i] <= TICK);
	}
	assert_true(w->frame.limits.pool_exhausted || !w->frame.outbound);
}

static void check_tree_death(const struct world *w, const struct ladder_finding *finding)
{
	for (unsigned i = 0; i < w->frame.count && !was_due(w, finding); i++) {
		assert_true(book.stands[i] >= LIMIT && w->looks[i].kernel_state == 'S');
		assert_true(w->looks[i].on < WAIT_CHILD || w->looks[i].state == THREAD_IDLE);
	}
	for (unsigned i = 0; i < w->frame.process_count; i++)
		assert_true(w->processes[i].covered &&
			    (finding->row != ROW_NO_PROGRESS || w->processes[i].gate == HELD_NO));
}

/* A process that may take connections and of which nothing is seen keeps the service alive. */
static void check_somebody_else(const struct world *w, const struct ladder_finding *finding)
{
	for (unsigned i = 0; i < w->frame.process_count && finding->row < ROW_NO_PROGRESS; i++)
		assert_true(w->processes[i].covered || w->processes[i].role == PROCESS_CHILD);
}

static void check_deaths(const struct world *w, const struct world *before)
{
	assert_true((w->verdicts.verdict == VERDICT_DEAD) == !w->verdicts.live_ok);
	for (unsigned i = 0; i < w->out.count; i++) {
		const struct ladder_finding *finding = &w->out.findings[i];

		if (finding->stand.level != LEVEL_DEAD || finding->stand.held != HELD_NO)
			continue;
		assert_true(!w->frame.draining && !w->frame.starting);
		if (finding->row == ROW_LOOP_BLOCKED || finding->row == ROW_LOOP_SPINNING)
			check_loop_death(before, finding);
		else if (finding->row == ROW_POOL_EXHAUSTED)
			check_pool_death(before, finding);
		else
			check_tree_death(before, finding);
		check_somebody_else(w, finding);
	}
}

/* Who entered a call in this step is accused of nothing. */
static void check_progress(const struct world *w)
{
	for (unsigned i = 0; i < w->out.count; i++) {
		const struct ladder_finding *finding = &w->out.findings[i];

		if (finding->row == ROW_LOOP_BLOCKED || finding->row == ROW_LOOP_SPINNING)
			assert_true(book.stands[finding->stand.thread] > 0 || w->frame.voided ||
				    w->clocks[finding->stand.thread].stood > 0);
		assert_false((finding->row == ROW_LOOP_BLOCKED || finding->row == ROW_LOOP_SPINNING) &&
			     w->clocks[finding->stand.thread].moved);
	}
}

static void check_clocks(const struct world *before, const struct world *after)
{
	if (!after->frame.voided)
		return;
	for (unsigned i = 0; i < after->frame.count; i++) {
		assert_true(after->clocks[i].stood <= before->clocks[i].stood);
		assert_true(after->clocks[i].worked <= before->clocks[i].worked);
	}
	for (unsigned i = 0; i < after->frame.process_count; i++)
		assert_true(after->states[i].pool_stood <= before->states[i].pool_stood);
	assert_true(after->ladder.whole.stood <= before->ladder.whole.stood);
	assert_true(after->ladder.whole.backlog_stood <= before->ladder.whole.backlog_stood);
}

/* A world is full of pointers into itself. */
static void copy(struct world *to, const struct world *from)
{
	*to = *from;
	to->ladder.clocks = to->clocks;
	to->ladder.marks = to->marks;
	to->ladder.pools = to->pools;
	to->frame.looks = to->looks;
	to->frame.order = to->order;
	to->frame.processes = to->processes;
	for (unsigned i = 0; i < PROCESSES; i++)
		to->processes[i].state = &to->states[i];
}

static void take_over(struct world *to, const struct world *from)
{
	const struct ladder_frame frame = to->frame;

	memcpy(to->looks, from->looks, sizeof(to->looks));
	for (unsigned i = 0; i < from->frame.process_count; i++) {
		to->processes[i] = from->processes[i];
		to->processes[i].state = &to->states[i];
	}
	to->frame = from->frame;
	to->frame.looks = frame.looks;
	to->frame.order = frame.order;
	to->frame.processes = frame.processes;
}

static void shuffle_order(struct world *w)
{
	for (unsigned i = w->frame.count; i > 1; i--) {
		unsigned j = draw(i);
		uint32_t kept = w->order[i - 1];

		w->order[i - 1] = w->order[j];
		w->order[j] = kept;
	}
}

static void step(struct world *w)
{
	ladder_step(&w->ladder, &w->frame, &w->out);
	w->verdicts = (struct verdicts){
		.verdict = VERDICT_ALIVE, .live_ok = true, .ready_ok = true, .startup_ok = true};
	ladder_tell(&w->out, false, w->frame.now, &w->verdicts);
}

static bool same(const struct ladder_out *a, const struct ladder_out *b)
{
	if (a->count != b->count || a->knock != b->knock || a->peer != b->peer || a->alarm != b->alarm ||
		a->paused != b->paused)
		return false;
	for (unsigned i = 0; i < a->count; i++) {
		const struct ladder_finding *one = &a->findings[i], *two = &b->findings[i];

		if (one->row != two->row || one->stand.level != two->stand.level ||
			one->stand.held != two->stand.held || one->stand.since != two->stand.since ||
			one->stand.thread != two->stand.thread)
			return false;
	}
	return true;
}

static unsigned deaths, alarms;

static void one_history(void)
{
	static struct world before;

	begin(&world);
	copy(&other, &world);
	for (unsigned i = 0; i < STEPS; i++) {
		change(&world);
		world.frame.now += TICK;
		look_at_kernel(&world);
		keep_book(&world);
		take_over(&other, &world);
		shuffle_order(&other);
		copy(&before, &world);
		step(&world);
		step(&other);
		if (!same(&world.out, &other.out))
			fail_msg("another order of threads, another answer");
		check_deaths(&world, &before);
		check_progress(&world);
		check_clocks(&before, &world);
		deaths += dead(&world) && !dead(&before);
		alarms += world.out.alarm != ROW_NONE;
	}
}

static unsigned histories(void)
{
	const char *many = getenv("LIFESIGN_HISTORIES");

	return many ? (unsigned)strtoul(many, NULL, 10) : MANY;
}

static void histories_hold_the_rules(void **state)
{
	(void)state;
	seed = UINT64_C(0x9e3779b97f4a7c15);
	deaths = alarms = 0;
	for (unsigned i = 0; i < histories(); i++)
		one_history();
	assert_true(deaths > histories() / 100); /* else nothing was tried */
	assert_true(alarms > histories() / 1000);
	print_message("%u histories, %u deaths, %u alarms\n", histories(), deaths, alarms);
}

/* The same history twice, once with less of the CPU: nobody dies sooner for it. */
static void starving_makes_no_death(void **state)
{
	unsigned lived = 0;

	(void)state;
	seed = UINT64_C(0xd1b54a32d192ed03);
	for (unsigned i = 0; i < histories() / 4; i++) {
		bool dies = false;
		uint64_t starved[THREADS] = {0}, throttled[PROCESSES] = {0};

		begin(&world);
		copy(&other, &world);
		for (unsigned at = 0; at < STEPS && !dies; at++) {
			change(&world);
			world.frame.now += TICK;
			look_at_kernel(&world);
			take_over(&other, &world);
			for (unsigned t = 0; t < world.frame.count; t++)
				other.looks[t].delay_ns += starved[t] += draw((unsigned)TICK);
			for (unsigned p = 0; p < world.frame.process_count; p++)
				other.processes[p].throttled_ns += throttled[p] += draw((unsigned)TICK);
			step(&world);
			step(&other);
			dies = dead(&world);
			assert_true(dies || !dead(&other));
			lived += dies && !dead(&other);
		}
	}
	assert_true(lived > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(histories_hold_the_rules),
		cmocka_unit_test(starving_makes_no_death),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
