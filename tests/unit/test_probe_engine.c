/* SPDX-License-Identifier: Apache-2.0 */
/* The prober's engine: cycles, one deadline, never two questions at once, and what its agent is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "unit/probe_stage.h"

static void a_result_says_of_which_question_it_is_and_when(void **state)
{
	int64_t before = clock_boot_ns();
	struct probe_result result;

	(void)state;
	tell_plan_of(0, 1, 30000, 20000);
	result = next();
	assert_int_equal(result.status, PROBE_UP);
	assert_int_equal(result.dependency, 0);
	assert_int_equal(result.cycle, 1);
	assert_int_equal(result.sequence, 1);
	assert_true(result.has_value && (int)result.value == 1);
	assert_true(result.began >= before - NS_PER_SECOND / 100 && result.ended >= result.began && result.ended <= clock_boot_ns());
	assert_true(result.phase_ns[PHASE_ASK] > 0 && result.phase_ns[PHASE_CONNECT] == 0);
}

static void it_says_that_it_is_there_until_it_has_a_plan(void **state)
{
	int64_t until = clock_mono_ns() + 30 * NS_PER_SECOND;
	struct probe_result result;
	unsigned before;

	(void)state;
	while (prober.hellos < 2 && clock_mono_ns() < until)
		assert_false(hear(&result, 100));
	assert_true(prober.hellos >= 2);
	tell_plan_of(0, 1, 30000, 20000);
	(void)next();
	before = prober.hellos;
	assert_false(hear(&result, 1300));
	assert_int_equal(prober.hellos, before);
}

static void what_has_not_answered_is_told_at_its_deadline_by_its_phase(void **state)
{
	static const enum probe_error errors[PHASES + 1] = {PROBE_DNS_TIMEOUT, PROBE_CONNECT_TIMEOUT, PROBE_TIMEOUT, PROBE_TIMEOUT,
		PROBE_TIMEOUT, PROBE_TIMEOUT};
	unsigned seen = 0;

	(void)state;
	for (unsigned i = 0; i <= PHASES; i++) {
		stage->actors[i].does = ACT_WAIT;
		stage->actors[i].phase = i; /* the last one has told none */
	}
	tell_plan_of(0, PHASES + 1, 30000, 300);
	for (unsigned i = 0; i <= PHASES; i++) {
		struct probe_result result = next();
		unsigned phase = result.dependency < PHASES ? result.dependency : PHASE_ASK;
		int64_t took = result.ended - result.began;

		seen |= 1U << result.dependency;
		assert_int_equal(result.status, PROBE_DOWN);
		assert_int_equal(result.error, errors[result.dependency]);
		assert_int_equal(result.cycle, 1);
		assert_true(took >= 299 * NS_PER_MS && took < 20 * NS_PER_SECOND);
		assert_true(result.phase_ns[phase] == took);
	}
	assert_int_equal(seen, (1U << (PHASES + 1)) - 1);
}

static void there_is_one_attempt_in_flight_ever(void **state)
{
	struct actor *actor = &stage->actors[0];
	struct probe_result result;

	(void)state;
	actor->does = ACT_WAIT;
	tell_plan_of(0, 1, 25000, 60);
	for (unsigned i = 0; i < 5; i++) { /* each question that it misses is told, at the deadline of that question */
		result = next();
		assert_int_equal(result.error, PROBE_TIMEOUT);
		assert_true(result.ended - result.began >= 59 * NS_PER_MS);
		assert_int_equal(actor->asked, 1);
		if (i < 4)
			tell_again(0, prober.epoch, 0);
	}
	actor->does = ACT_UP;
	assert_true(COMES_TRUE(actor->returned == 1));
	assert_false(hear(&result, 200)); /* its late answer belongs to no question any more */
	tell_again(0, prober.epoch, 0);
	result = next();
	assert_int_equal(result.status, PROBE_UP);
	assert_true((int)result.value == 2);
	assert_int_equal(actor->most_at_once, 1);
}

static void whoever_holds_a_socket_is_freed_at_the_deadline(void **state)
{
	struct actor *actor = &stage->actors[0];
	struct probe_result result;

	(void)state;
	actor->does = ACT_HELD;
	tell_plan_of(0, 1, 25000, 60);
	assert_int_equal(next().error, PROBE_TIMEOUT);
	assert_true(COMES_TRUE(actor->returned == 1));
	assert_int_equal(actor->freed, 1);
	assert_false(hear(&result, 100)); /* nor what it says of that */
	actor->does = ACT_UP;
	tell_again(0, prober.epoch, 0);
	assert_int_equal(next().status, PROBE_UP);
}

static void nobody_shuts_down_what_was_let_go_of(void **state)
{
	struct actor *actor = &stage->actors[0];
	struct probe_result result;

	(void)state;
	actor->does = ACT_LET_GO;
	tell_plan_of(0, 1, 25000, 60);
	assert_int_equal(next().error, PROBE_TIMEOUT);
	assert_false(hear(&result, 350)); /* three rounds of freeing */
	actor->does = ACT_UP;
	assert_true(COMES_TRUE(actor->returned == 1));
	assert_int_equal(actor->freed, 0);
}

static void what_cannot_tell_is_not_told(void **state)
{
	struct probe_result result;

	(void)state;
	stage->actors[0].does = ACT_UNKNOWN;
	tell_plan_of(0, 1, 50, 20000);
	assert_true(COMES_TRUE(stage->actors[0].returned > 3));
	assert_false(hear(&result, 50));
	stage->actors[0].does = ACT_DOWN;
	assert_int_equal(next().error, PROBE_REFUSED);
}

static void who_never_comes_back_ends_the_prober(void **state)
{
	int64_t began = clock_mono_ns();

	(void)state;
	stage->actors[0].does = ACT_WAIT;
	tell_plan_of(0, 2, 100, 50);
	assert_int_equal(prober_status(), 75);
	assert_true(clock_mono_ns() - began >= 3 * NS_PER_SECOND); /* however short the periods: a busy machine is not stuck */
	assert_true(stage->actors[1].returned > 1); /* the others were asked until then */
	assert_int_equal(stage->actors[0].asked, 1);
}

static void without_its_agents_end_of_the_socket_it_ends_in_good_order(void **state)
{
	(void)state;
	stage->actors[0].does = ACT_WAIT; /* an attempt in flight is no reason to stay */
	tell_plan_of(0, 2, 1000, 500);
	assert_int_equal(next().status, PROBE_UP);
	close(prober.socket);
	prober.socket = -1;
	assert_int_equal(prober_status(), 0);
}

static void it_asks_again_when_it_is_told_to_and_at_the_earliest_time(void **state)
{
	static const int64_t after_ms[][2] = {{300, 20000}, {20000, 300}};
	struct probe_result result;

	(void)state;
	tell_plan_of(0, 2, 29000, 5000);
	(void)next();
	(void)next();
	for (unsigned i = 0; i < 2; i++) {
		int64_t told = clock_boot_ns();

		tell_again(1, prober.epoch, after_ms[i][0]);
		tell_again(1, prober.epoch, after_ms[i][1]);
		result = next();
		assert_int_equal(result.dependency, 1);
		assert_true(result.began >= told + 299 * NS_PER_MS && result.began < told + 13 * NS_PER_SECOND);
	}
	tell_again(1, prober.epoch + 1, 0); /* of another plan */
	tell_again(2, prober.epoch, 0);     /* there is none such */
	tell_again(UINT32_MAX, prober.epoch, 0);
	assert_false(hear(&result, 200));
	assert_int_equal(stage->actors[0].asked, 1);
	assert_int_equal(stage->actors[1].asked, 3);
}

static void what_is_down_for_long_is_asked_more_seldom(void **state)
{
	struct actor *actor = &stage->actors[0];
	struct probe_result result;
	uint64_t before = 0;
	bool each = false;

	(void)state;
	actor->does = ACT_DOWN;
	tell_plan_of(0, 1, 5, 20000);
	for (unsigned i = 1; i <= 110; i++) {
		result = next();
		assert_true(result.cycle > before);
		before = result.cycle;
		if (i > 31) /* the question after the 30th may have been put already */
			assert_int_equal(result.cycle % 2, 0);
		if (i > 101)
			assert_int_equal(result.cycle % 4, 0);
	}
	actor->does = ACT_UP;
	for (unsigned i = 0; i < 200 && !each; i++) {
		result = next();
		each = result.status == PROBE_UP && result.cycle == before + 1;
		before = result.cycle;
	}
	assert_true(each); /* as soon as it is up it has its turn in each cycle again */
}

static bool all_heard(const double *values)
{
	for (unsigned i = 0; i < 8; i++)
		if ((unsigned)values[i] != stage->actors[i].asked)
			return false;
	return true;
}

static void an_agent_that_does_not_read_gets_the_newest_of_each_once_it_does(void **state)
{
	struct probe_plan *plan = plan_of(0, 8, 2, 20000);
	int64_t until = clock_mono_ns() + 60 * NS_PER_SECOND;
	double values[8] = {0};
	uint64_t beat, sequence = 0;

	(void)state;
	tell_plan(plan);
	assert_true(COMES_TRUE(stage->actors[7].asked > 300)); /* 2400 results: more than a socket takes */
	beat = __atomic_load_n(&prober.beat->beat, __ATOMIC_RELAXED);
	assert_true(COMES_TRUE(__atomic_load_n(&prober.beat->beat, __ATOMIC_RELAXED) > beat + 5));
	plan->period_ns = 60 * NS_PER_SECOND; /* it listens all the same: now it becomes quiet */
	tell_plan(plan);
	free(plan);
	while (!all_heard(values) && clock_mono_ns() < until) {
		struct probe_result result = next();

		assert_true(result.sequence > sequence);
		sequence = result.sequence;
		values[result.dependency] = result.value;
	}
	assert_true(all_heard(values));
	assert_true(sequence < 8 * 300); /* those between were dropped, not kept */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_up, stage_down)
	const struct CMUnitTest tests[] = {
		TEST(a_result_says_of_which_question_it_is_and_when),
		TEST(it_says_that_it_is_there_until_it_has_a_plan),
		TEST(what_has_not_answered_is_told_at_its_deadline_by_its_phase),
		TEST(there_is_one_attempt_in_flight_ever),
		TEST(whoever_holds_a_socket_is_freed_at_the_deadline),
		TEST(nobody_shuts_down_what_was_let_go_of),
		TEST(what_cannot_tell_is_not_told),
		TEST(who_never_comes_back_ends_the_prober),
		TEST(without_its_agents_end_of_the_socket_it_ends_in_good_order),
		TEST(it_asks_again_when_it_is_told_to_and_at_the_earliest_time),
		TEST(what_is_down_for_long_is_asked_more_seldom),
		TEST(an_agent_that_does_not_read_gets_the_newest_of_each_once_it_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
