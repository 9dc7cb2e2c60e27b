/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "judge/startup.h"
#include "judge/verdict.h"

#define SECOND INT64_C(1000000000)

struct row {
	const char *what;
	struct service_facts facts;
	enum verdict verdict;
	bool live, ready, startup;
	enum reason_code ready_because; /* first counted reason, REASON_NONE = ready */
};

#define NOW (100 * SECOND)

static const struct row rows[] = {
	{"a covered, started service is alive and ready",
		{.now = NOW, .covered = true, .startup = STARTUP_DONE}, VERDICT_ALIVE, true, true, true, REASON_NONE},
	{"without coverage nothing can be told, and unknown is not dead",
		{.now = NOW, .startup = STARTUP_DONE}, VERDICT_UNKNOWN, true, true, true, REASON_NONE},
	{"a gone main process is dead at once",
		{.now = NOW, .covered = true, .exited = NOW, .startup = STARTUP_DONE}, VERDICT_DEAD, false, false, true, REASON_EXITED},
	{"observe shows what would be dead and stays live",
		{.now = NOW, .covered = true, .exited = NOW, .startup = STARTUP_DONE, .observe = true}, VERDICT_ALIVE, true, false, true,
		REASON_EXITED},
	{"starting: live, not ready",
		{.now = NOW, .covered = true, .starting = NOW - SECOND, .startup = STARTUP_STARTING}, VERDICT_ALIVE, true, false, false,
		REASON_STARTING},
	{"a start that took too long never gets ready, and is not dead for it",
		{.now = NOW, .covered = true, .starting = 1, .startup = STARTUP_TIMEOUT}, VERDICT_ALIVE, true, false, false,
		REASON_START_TIMEOUT},
	{"draining: live, not ready",
		{.now = NOW, .covered = true, .draining = NOW, .startup = STARTUP_DONE}, VERDICT_ALIVE, true, false, true, REASON_DRAINING},
	{"stopped for less than 2 s is nothing",
		{.now = NOW, .covered = true, .suspended = NOW - SECOND, .startup = STARTUP_DONE}, VERDICT_ALIVE, true, true, true,
		REASON_NONE},
	{"stopped for 2 s: live, not ready",
		{.now = NOW, .covered = true, .suspended = NOW - 2 * SECOND, .startup = STARTUP_DONE}, VERDICT_ALIVE, true, false, true,
		REASON_SUSPENDED},
	{"frozen for 2 s: live, not ready",
		{.now = NOW, .covered = true, .frozen = NOW - 2 * SECOND, .startup = STARTUP_DONE}, VERDICT_ALIVE, true, false, true,
		REASON_FROZEN},
	{"dumping core for 2 s: live, not ready",
		{.now = NOW, .covered = true, .core_dump = NOW - 2 * SECOND, .startup = STARTUP_DONE}, VERDICT_ALIVE, true, false, true,
		REASON_CORE_DUMP},
	{"traced, however long, is shown and gates nothing",
		{.now = NOW, .covered = true, .traced = 1, .startup = STARTUP_DONE}, VERDICT_ALIVE, true, true, true, REASON_NONE},
	{"a bare agent knows nothing of threads", {.now = NOW, .bare = true, .covered = true, .startup = STARTUP_DONE}, VERDICT_UNKNOWN,
		true, true, true, REASON_NONE},
	{"a bare agent goes by the port",
		{.now = NOW, .bare = true, .port_known = true, .startup = STARTUP_DONE}, VERDICT_UNKNOWN, true, false, true,
		REASON_STARTING},
};

static enum reason_code first_counted(const struct reason_list *list)
{
	for (unsigned i = 0; i < list->count; i++) {
		if (list->items[i].held == HELD_NO && !list->items[i].minor)
			return list->items[i].code;
	}
	return REASON_NONE;
}

static void each_row_of_the_table(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct verdicts out;

		verdict_judge(&rows[i].facts, &out);
		if (out.verdict != rows[i].verdict || out.live_ok != rows[i].live || out.ready_ok != rows[i].ready ||
			out.startup_ok != rows[i].startup || first_counted(&out.ready) != rows[i].ready_because)
			fail_msg("%s", rows[i].what);
	}
}

static struct service_facts random_facts(void)
{
	return (struct service_facts){
		.now = NOW,
		.bare = rand() % 4 == 0,
		.covered = rand() % 2,
		.exited = rand() % 3 ? 0 : NOW - rand() % (10 * SECOND),
		.suspended = rand() % 2 ? 0 : NOW - rand() % (10 * SECOND),
		.draining = rand() % 2 ? 0 : NOW - rand() % (10 * SECOND),
		.starting = rand() % 2 ? 0 : NOW - rand() % (10 * SECOND),
		.startup = (enum startup_state)(rand() % 3),
		.port_accepts = rand() % 2,
		.port_known = rand() % 2,
		.observe = rand() % 2,
	};
}

/* Whatever the facts: no verdict without its evidence, and 503 always says why. */
static void random_facts_hold_the_rules(void **state)
{
	(void)state;
	srand(1);
	for (unsigned i = 0; i < 200000; i++) {
		struct service_facts facts = random_facts();
		struct verdicts out;

		verdict_judge(&facts, &out);
		assert_true(out.verdict != VERDICT_DEAD || (facts.exited && !facts.observe));
		assert_true(out.live_ok == (out.verdict != VERDICT_DEAD));
		assert_true(out.ready_ok == (first_counted(&out.ready) == REASON_NONE));
		assert_true(out.startup_ok || !out.ready_ok);
		assert_true(!(facts.bare || !facts.covered) || out.verdict == VERDICT_UNKNOWN || out.verdict == VERDICT_DEAD);
	}
}

static void startup_goes_by_its_rule(void **state)
{
	const struct startup_policy by_port = {STARTUP_BY_PORT, 300 * SECOND}, by_wait = {STARTUP_BY_WAIT, 300 * SECOND},
				    by_listener = {STARTUP_BY_LISTENER, 300 * SECOND};
	struct startup_look look = {.age_ns = SECOND};

	(void)state;
	assert_int_equal(startup_judge(STARTUP_STARTING, &by_port, &look), STARTUP_STARTING);
	assert_int_equal(startup_judge(STARTUP_STARTING, &by_wait, &look), STARTUP_STARTING);
	assert_int_equal(startup_judge(STARTUP_STARTING, &by_listener, &look), STARTUP_STARTING);
	look = (struct startup_look){.age_ns = SECOND, .has_listener = true};
	assert_int_equal(startup_judge(STARTUP_STARTING, &by_listener, &look), STARTUP_DONE);
	assert_int_equal(startup_judge(STARTUP_STARTING, &by_port, &look), STARTUP_STARTING);
	look = (struct startup_look){.age_ns = SECOND, .port_accepts = true};
	assert_int_equal(startup_judge(STARTUP_STARTING, &by_port, &look), STARTUP_DONE);
	look = (struct startup_look){.age_ns = 4 * SECOND, .main_waited_ns = 3 * SECOND};
	assert_int_equal(startup_judge(STARTUP_STARTING, &by_wait, &look), STARTUP_DONE);
	look = (struct startup_look){.age_ns = 30 * SECOND};
	assert_int_equal(startup_judge(STARTUP_STARTING, &by_listener, &look), STARTUP_DONE);
}

/* Both ends are final until the main process is a new one. */
static void startup_stays_decided(void **state)
{
	const struct startup_policy policy = {STARTUP_BY_PORT, 3 * SECOND};
	struct startup_look late = {.age_ns = 4 * SECOND}, good = {.age_ns = 5 * SECOND, .port_accepts = true};

	(void)state;
	assert_int_equal(startup_judge(STARTUP_STARTING, &policy, &late), STARTUP_TIMEOUT);
	assert_int_equal(startup_judge(STARTUP_TIMEOUT, &policy, &good), STARTUP_TIMEOUT);
	assert_int_equal(startup_judge(STARTUP_DONE, &policy, &late), STARTUP_DONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row_of_the_table),
		cmocka_unit_test(random_facts_hold_the_rules),
		cmocka_unit_test(startup_goes_by_its_rule),
		cmocka_unit_test(startup_stays_decided),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
