/* SPDX-License-Identifier: Apache-2.0 */
/* When an agent counts as stuck, and when the next one is a bare one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "supervise/patience.h"

#define TICK (250 * NS_PER_MS)

struct scene {
	struct patience patience;
	struct patience_look look;
};

/* One more tick; true when the agent counts as stuck. */
static bool tick(struct scene *scene, int64_t waited_for_cpu)
{
	scene->look.mono += TICK;
	scene->look.run_delay += waited_for_cpu;
	return patience_look(&scene->patience, &scene->look);
}

/* Ticks without a beat until it counts as stuck; 1000 = never. */
static int ticks_until_stuck(struct scene *scene, int64_t waited_for_cpu)
{
	for (int i = 1; i < 1000; i++) {
		if (tick(scene, waited_for_cpu))
			return i;
	}
	return 1000;
}

static void a_beating_agent_is_never_stuck(void **state)
{
	struct scene scene = {0};

	(void)state;
	for (int i = 0; i < 1000; i++) {
		scene.look.beat++;
		assert_false(tick(&scene, 0));
	}
}

static void two_seconds_without_a_beat_are_stuck(void **state)
{
	struct scene scene = {0};

	(void)state;
	assert_int_equal(ticks_until_stuck(&scene, 0), 1 + PATIENCE_NS / TICK); /* the first look only begins */
}

static void a_beat_in_between_starts_anew(void **state)
{
	struct scene scene = {0};

	(void)state;
	for (int i = 0; i < 8; i++)
		assert_false(tick(&scene, 0));
	scene.look.beat = 1;
	assert_int_equal(ticks_until_stuck(&scene, 0), 1 + PATIENCE_NS / TICK);
}

static void time_spent_waiting_for_a_cpu_does_not_count(void **state)
{
	struct scene scene = {0}, half = {0};

	(void)state;
	assert_int_equal(ticks_until_stuck(&scene, TICK), 1000);
	assert_int_equal(ticks_until_stuck(&half, TICK / 2), 1 + 2 * PATIENCE_NS / TICK);
}

static void an_unknown_run_delay_subtracts_nothing(void **state)
{
	struct scene scene = {.look.run_delay = -1};

	(void)state;
	assert_int_equal(ticks_until_stuck(&scene, 0), 1 + PATIENCE_NS / TICK);
}

static void a_look_that_is_late_itself_does_not_count(void **state)
{
	struct scene scene = {.look.late = PATIENCE_LATE_NS + 1};

	(void)state;
	assert_int_equal(ticks_until_stuck(&scene, 0), 1000);
	scene.look.late = 0;
	assert_true(ticks_until_stuck(&scene, 0) < 1000);
}

static void a_suspend_does_not_count(void **state)
{
	struct scene scene = {0};

	(void)state;
	for (int i = 0; i < 100; i++) {
		scene.look.suspended += NS_PER_SECOND;
		assert_false(tick(&scene, 0));
	}
}

static void three_crashes_in_ten_seconds_make_it_bare(void **state)
{
	struct patience_crashes crashes = {0};
	int64_t now = 1000 * NS_PER_SECOND;

	(void)state;
	for (int i = 0; i < PATIENCE_CRASHES; i++) {
		assert_false(crashes.bare);
		patience_started(&crashes, now);
		now += NS_PER_SECOND;
		assert_int_equal(patience_ended(&crashes, now, END_CRASHED), 0);
	}
	assert_true(crashes.bare);
}

static void three_crashes_in_more_time_do_not(void **state)
{
	struct patience_crashes crashes = {0};
	int64_t now = 1000 * NS_PER_SECOND;

	(void)state;
	for (int i = 0; i < 50; i++) {
		patience_started(&crashes, now);
		now += 6 * NS_PER_SECOND;
		(void)patience_ended(&crashes, now, END_CRASHED);
		assert_false(crashes.bare);
	}
}

static void a_hundred_kills_from_outside_do_not(void **state)
{
	struct patience_crashes crashes = {0};
	int64_t now = 1000 * NS_PER_SECOND;

	(void)state;
	for (int i = 0; i < 100; i++) {
		patience_started(&crashes, now);
		now += 10 * NS_PER_MS;
		assert_int_equal(patience_ended(&crashes, now, END_KILLED), 0);
		assert_false(crashes.bare);
	}
}

static void bare_ends_when_a_bare_agent_has_lived_for_a_minute(void **state)
{
	struct patience_crashes crashes = {.bare = true};
	int64_t now = 1000 * NS_PER_SECOND;

	(void)state;
	patience_started(&crashes, now);
	now += PATIENCE_BARE_NS - 1;
	(void)patience_ended(&crashes, now, END_CRASHED);
	assert_true(crashes.bare);
	patience_started(&crashes, now);
	now += PATIENCE_BARE_NS;
	(void)patience_ended(&crashes, now, END_CRASHED);
	assert_false(crashes.bare);
}

static void deaths_right_at_the_start_are_slowed_down(void **state)
{
	struct patience_crashes crashes = {0};
	int64_t now = 1000 * NS_PER_SECOND;

	(void)state;
	for (int i = 0; i < 30; i++) {
		int64_t wait;

		patience_started(&crashes, now);
		wait = patience_ended(&crashes, now + NS_PER_MS, END_CRASHED);
		assert_int_equal(wait, i < 5 ? 0 : 50 * NS_PER_MS);
	}
	patience_started(&crashes, now);
	assert_int_equal(patience_ended(&crashes, now + NS_PER_SECOND, END_CRASHED), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_beating_agent_is_never_stuck),
		cmocka_unit_test(two_seconds_without_a_beat_are_stuck),
		cmocka_unit_test(a_beat_in_between_starts_anew),
		cmocka_unit_test(time_spent_waiting_for_a_cpu_does_not_count),
		cmocka_unit_test(an_unknown_run_delay_subtracts_nothing),
		cmocka_unit_test(a_look_that_is_late_itself_does_not_count),
		cmocka_unit_test(a_suspend_does_not_count),
		cmocka_unit_test(three_crashes_in_ten_seconds_make_it_bare),
		cmocka_unit_test(three_crashes_in_more_time_do_not),
		cmocka_unit_test(a_hundred_kills_from_outside_do_not),
		cmocka_unit_test(bare_ends_when_a_bare_agent_has_lived_for_a_minute),
		cmocka_unit_test(deaths_right_at_the_start_are_slowed_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
