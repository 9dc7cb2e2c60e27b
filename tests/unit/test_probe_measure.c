/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "probe/measure.h"

struct row {
	const char *what;
	struct dependency of;
	enum probe_status was;
	enum probe_error had;
	bool has_value;
	double value;
	int64_t took_ms;
	enum probe_status status;
	enum probe_error error;
	const char *detail; /* NULL: not looked at */
};

#define LIMITS(...) ((struct dependency){__VA_ARGS__})
#define MIN(n) .has_min = true, .min = (n)
#define MAX(n) .has_max = true, .max = (n)
#define SLOW(n) .latency_seconds = (n)

static const struct row rows[] = {
	{"without limits any number is good", LIMITS(), PROBE_UP, PROBE_OK, true, -7, 9000, PROBE_UP, PROBE_OK, ""},
	{"min itself is enough", LIMITS(MIN(3)), PROBE_UP, PROBE_OK, true, 3, 1, PROBE_UP, PROBE_OK, ""},
	{"less than min is down", LIMITS(MIN(3)), PROBE_UP, PROBE_OK, true, 2.5, 1, PROBE_DOWN, PROBE_THRESHOLD,
		"2.5 is less than min 3"},
	{"max itself is allowed", LIMITS(MAX(3)), PROBE_UP, PROBE_OK, true, 3, 1, PROBE_UP, PROBE_OK, ""},
	{"more than max is down", LIMITS(MAX(1000)), PROBE_UP, PROBE_OK, true, 1001, 1, PROBE_DOWN, PROBE_THRESHOLD,
		"1001 is more than max 1000"},
	{"min 0 is a limit, too", LIMITS(MIN(0)), PROBE_UP, PROBE_OK, true, -1, 1, PROBE_DOWN, PROBE_THRESHOLD, NULL},
	{"who gave no number is not compared", LIMITS(MIN(3), MAX(4)), PROBE_UP, PROBE_OK, false, 0, 1, PROBE_UP, PROBE_OK, ""},
	{"no number at all is a wrong answer", LIMITS(), PROBE_UP, PROBE_OK, true, NAN, 1, PROBE_DOWN, PROBE_PROTOCOL_ERROR, NULL},
	{"neither is an endless one, which is above max", LIMITS(MAX(5)), PROBE_UP, PROBE_OK, true, INFINITY, 1, PROBE_DOWN,
		PROBE_PROTOCOL_ERROR, NULL},
	{"slower than latencySeconds is degraded", LIMITS(SLOW(0.2)), PROBE_UP, PROBE_OK, false, 0, 250, PROBE_DEGRADED, PROBE_SLOW,
		"took 0.250 s, latencySeconds is 0.2"},
	{"as slow as that is good", LIMITS(SLOW(0.25)), PROBE_UP, PROBE_OK, false, 0, 250, PROBE_UP, PROBE_OK, ""},
	{"a limit that is passed counts more than being slow", LIMITS(MAX(1), SLOW(0.2)), PROBE_UP, PROBE_OK, true, 2, 900, PROBE_DOWN,
		PROBE_THRESHOLD, NULL},
	{"what was degraded before stays so, with its own reason", LIMITS(SLOW(0.2)), PROBE_DEGRADED, PROBE_SATURATED, false, 0, 900,
		PROBE_DEGRADED, PROBE_SATURATED, "as it was"},
	{"what was degraded and passes a limit is down", LIMITS(MIN(1)), PROBE_DEGRADED, PROBE_SATURATED, true, 0, 1, PROBE_DOWN,
		PROBE_THRESHOLD, NULL},
	{"what is down is not measured", LIMITS(MAX(1), SLOW(0.1)), PROBE_DOWN, PROBE_REFUSED, true, 2, 900, PROBE_DOWN, PROBE_REFUSED,
		"as it was"},
	{"nor what cannot tell", LIMITS(MAX(1), SLOW(0.1)), PROBE_UNKNOWN, PROBE_INTERNAL, true, 2, 900, PROBE_UNKNOWN, PROBE_INTERNAL,
		"as it was"},
};

static void each_limit_of_the_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct row *row = &rows[i];
		struct probe_result result = {.status = row->was, .error = row->had, .has_value = row->has_value, .value = row->value};

		result.began = 5 * NS_PER_SECOND;
		result.ended = result.began + row->took_ms * NS_PER_MS;
		strcpy(result.detail, row->had ? "as it was" : "");
		measure(&row->of, &result);
		if (result.status != row->status || result.error != row->error)
			fail_msg("%s: is %u, %s", row->what, result.status, probe_error_text(result.error));
		if (row->detail && strcmp(result.detail, row->detail) != 0)
			fail_msg("%s: says '%s'", row->what, result.detail);
	}
}

/* The agent refuses whatever holds a number that is none: base/probe_wire.c. */
static void what_is_no_number_is_not_sent(void **state)
{
	static const double none[] = {NAN, INFINITY, -INFINITY};
	struct dependency of = {.has_min = true};

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++) {
		struct probe_result result = {.version = PROBE_WIRE_VERSION, .epoch = 1, .status = PROBE_UP, .began = 1, .ended = 2};

		result.has_value = 1;
		result.value = none[i];
		measure(&of, &result);
		assert_int_equal(result.has_value, 0);
		assert_true(probe_result_check(&result, sizeof(result), 1, 1));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_limit_of_the_table),
		cmocka_unit_test(what_is_no_number_is_not_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
