/* SPDX-License-Identifier: Apache-2.0 */
/* What grows without end, and what only goes up and down. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "judge/growth.h"

#define SECOND INT64_C(1000000000)

static const struct growth_policy policy = {.window = 60 * SECOND, .at_least = 20};
static struct growth growth;
static int64_t now;

static enum growth_level note_for(int64_t seconds, uint64_t value)
{
	enum growth_level level = GROWTH_NONE;

	for (int64_t i = 0; i < seconds; i++)
		level = growth_note(&growth, &policy, now += SECOND, value);
	return level;
}

static void begin(void)
{
	growth = (struct growth){0};
	now = 1000 * SECOND;
}

static void a_leak_is_seen_after_five_windows_and_twice_the_start(void **state)
{
	uint64_t value = 10;

	(void)state;
	begin();
	for (int i = 0; i < 6; i++, value += 4)
		assert_int_equal(note_for(60, value), GROWTH_NONE);
	for (int i = 0; i < 3; i++, value += 4)
		note_for(60, value);
	assert_int_equal(note_for(1, value), GROWTH_RISING);
	assert_true(growth.since > 0);
	note_for(61, 10); /* given back */
	assert_int_equal(note_for(61, 10), GROWTH_NONE);
	assert_int_equal(growth.since, 0);
}

static void a_pool_that_fills_up_once_is_no_leak(void **state)
{
	(void)state;
	begin();
	note_for(120, 10);
	assert_int_equal(note_for(3600, 500), GROWTH_NONE);
}

static void peaks_are_no_growth(void **state)
{
	(void)state;
	begin();
	for (uint64_t i = 0; i < 100; i++) {
		note_for(30, 100 + i * 100);
		assert_int_equal(note_for(30, 100), GROWTH_NONE);
	}
}

static void slow_growth_that_does_not_double_is_not_told(void **state)
{
	(void)state;
	begin();
	for (uint64_t i = 0; i < 90; i++)
		assert_int_equal(note_for(60, 100 + i), GROWTH_NONE);
}

static void little_is_nothing(void **state)
{
	(void)state;
	begin();
	for (uint64_t i = 1; i < 15; i++)
		assert_int_equal(note_for(60, i), GROWTH_NONE);
}

static void a_gap_begins_anew(void **state)
{
	(void)state;
	begin();
	for (uint64_t i = 0; i < 8; i++)
		note_for(60, 10 + i * 10);
	assert_int_equal(note_for(1, 90), GROWTH_RISING);
	now += 600 * SECOND;
	assert_int_equal(note_for(1, 100), GROWTH_NONE);
}

static void near_the_limit_is_near_at_once(void **state)
{
	const struct growth_policy files = {.window = 60 * SECOND, .limit = 20, .share = 95},
				   bytes = {.window = 60 * SECOND, .limit = UINT64_MAX / 50, .share = 95};

	(void)state;
	begin();
	assert_int_equal(growth_note(&growth, &files, now, 18), GROWTH_NONE);
	assert_int_equal(growth_note(&growth, &files, now + SECOND, 19), GROWTH_NEAR_LIMIT);
	assert_int_equal(growth_note(&growth, &files, now + 2 * SECOND, 18), GROWTH_NONE);
	begin();
	assert_int_equal(growth_note(&growth, &bytes, now, UINT64_MAX / 60), GROWTH_NONE);
	assert_int_equal(growth_note(&growth, &bytes, now, UINT64_MAX / 51), GROWTH_NEAR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_leak_is_seen_after_five_windows_and_twice_the_start),
		cmocka_unit_test(a_pool_that_fills_up_once_is_no_leak),
		cmocka_unit_test(peaks_are_no_growth),
		cmocka_unit_test(slow_growth_that_does_not_double_is_not_told),
		cmocka_unit_test(little_is_nothing),
		cmocka_unit_test(a_gap_begins_anew),
		cmocka_unit_test(near_the_limit_is_near_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
