/* SPDX-License-Identifier: Apache-2.0 */
/* Times of a result on a machine that lets its thread wait between any two readings of a clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <poll.h>

#include "base/clock.h"

static int late_ms;

static int64_t late_boot_ns(void)
{
	int64_t now = clock_boot_ns();

	if (late_ms)
		(void)poll(NULL, 0, late_ms);
	return now;
}

#define clock_boot_ns late_boot_ns
#include "probe/attempt.c" /* in place of the room's */

static struct dependency database; /* too large for a stack */
static struct probe_result outcome;
static struct attempt trial;

static void an_attempt_ends_after_it_began(void **state)
{
	int64_t now = clock_mono_ns();

	(void)state;
	late_ms = 0;
	attempt_begin(&trial, &database, &outcome, now, now + 5 * NS_PER_SECOND);
	late_ms = 50;
	attempt_end(&trial);
	outcome.epoch = 1;
	assert_true(outcome.ended >= outcome.began);
	assert_true(probe_result_check(&outcome, sizeof(outcome), 1, 1)); /* else the agent drops it */
}

static void nothing_is_told_of_the_future(void **state)
{
	(void)state;
	for (late_ms = 0; late_ms <= 30; late_ms += 10) {
		int64_t now = clock_mono_ns();

		attempt_begin(&trial, &database, &outcome, now, now + 5 * NS_PER_SECOND);
		assert_true(outcome.began <= late_boot_ns());
		attempt_end(&trial);
		assert_true(outcome.ended <= late_boot_ns());
		attempt_begin(&trial, &database, &outcome, now, now);
		attempt_overdue(&trial, &outcome);
		assert_true(outcome.ended >= outcome.began && outcome.ended <= late_boot_ns());
		attempt_end(&trial);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_attempt_ends_after_it_began),
		cmocka_unit_test(nothing_is_told_of_the_future),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
