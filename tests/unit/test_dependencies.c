/* SPDX-License-Identifier: Apache-2.0 */
/* What answers of dependencies mean: each test is a table or a short history. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "judge/dependencies.h"

enum { MOST = 6, SECOND = 1000000000 };

static struct {
	struct dependency_set set;
	struct dependency list[MOST];
} world;
static struct dependency_state states[MOST];
static struct dependency_standing standing[MOST];
static struct dependency_summary summary;
static struct dependency_limits limits;

static struct dependency *add(const char *name, enum dependency_class class, const char *host)
{
	struct dependency *of = &world.set.list[world.set.count];

	strcpy(of->name, name);
	of->class = class;
	strcpy(of->at.host, host);
	states[world.set.count++] = (struct dependency_state){.began = 1, .ended = 1, .status = PROBE_UP};
	return of;
}

static void needs(struct dependency *of, const char *name)
{
	strcpy(of->needs[of->need_count++], name);
}

static void judge_again(int64_t now, bool open)
{
	struct dependency_frame frame = {&world.set, states, &limits, now, open};

	dependencies_judge(&frame, standing, &summary);
}

static void judge_at(int64_t now)
{
	judge_again(now, false);
}

static void is(unsigned index, enum probe_status status)
{
	states[index].status = status;
	states[index].error = status == PROBE_DOWN ? PROBE_REFUSED : PROBE_OK;
}

static int begin(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	memset(states, 0, sizeof(states));
	limits = (struct dependency_limits){.failure_threshold = 3, .success_threshold = 1, .stale_ns = 60L * SECOND, .peers_failing = -1};
	return 0;
}

static struct probe_result result_at(int64_t second, enum probe_status status)
{
	return (struct probe_result){.began = second * SECOND, .ended = second * SECOND + 1000, .status = status,
		.error = status == PROBE_DOWN ? PROBE_TIMEOUT : status == PROBE_DEGRADED ? PROBE_SLOW : PROBE_OK};
}

/* u up, d down, g degraded: each a second later; below it the status that stands then. */
static void history(const char *answers, const char *stands)
{
	static const char words[] = {[PROBE_UNKNOWN] = '?', [PROBE_UP] = 'u', [PROBE_DEGRADED] = 'g', [PROBE_DOWN] = 'd'};
	struct dependency_state one = {0};

	for (unsigned i = 0; answers[i]; i++) {
		enum probe_status status = answers[i] == 'u' ? PROBE_UP : answers[i] == 'g' ? PROBE_DEGRADED : PROBE_DOWN;
		struct probe_result result = result_at(i + 1, status);

		(void)dependency_learn(&one, &result, &limits);
		if (words[one.status] != stands[i])
			fail_msg("%s: after %u answers it is %c, not %c", answers, i + 1, words[one.status], stands[i]);
	}
}

static void thresholds_both_ways(void **state)
{
	(void)state;
	history("uddud", "uuuuu");
	history("udddu", "uuudu");
	history("ud", "uu");
	history("ddd", "ddd"); /* the first answer decides */
	history("ugu", "ugu"); /* degraded and up are told at once */
	history("gddd", "gggd");
	limits.success_threshold = 3;
	history("uuu", "??u");
	history("udddduuu", "?ddddddu");
	history("dudu", "dddd");
	limits = (struct dependency_limits){.failure_threshold = 1, .success_threshold = 1};
	history("ududu", "ududu");
}

static void old_and_repeated_answers_change_nothing(void **state)
{
	struct dependency_state one = {0};
	struct probe_result now = result_at(10, PROBE_UP), old = result_at(9, PROBE_DOWN);

	(void)state;
	assert_true(dependency_learn(&one, &now, &limits));
	for (unsigned i = 0; i < 9; i++) {
		assert_false(dependency_learn(&one, &old, &limits));
		assert_false(dependency_learn(&one, &now, &limits));
	}
	assert_int_equal(one.status, PROBE_UP);
	assert_int_equal(one.successes, 1);
}

static void what_contradicts_is_asked_again(void **state)
{
	struct dependency_state one = {0};
	const struct {
		enum probe_status answer;
		bool again;
	} rows[] = {{PROBE_UP, false}, {PROBE_DOWN, true}, {PROBE_DOWN, true}, {PROBE_DOWN, false}, {PROBE_DOWN, false}, {PROBE_UP, false}};

	(void)state;
	assert_false(dependency_disagrees(&one)); /* nothing was asked yet */
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct probe_result result = result_at(i + 1, rows[i].answer);

		(void)dependency_learn(&one, &result, &limits);
		assert_int_equal(dependency_disagrees(&one), rows[i].again);
	}
}

static void only_hard_ones_gate(void **state)
{
	static const struct {
		enum dependency_class class;
		enum probe_status status;
		bool gates, minor;
	} rows[] = {
		{DEPENDENCY_HARD, PROBE_UP, false, false}, {DEPENDENCY_HARD, PROBE_DEGRADED, false, true},
		{DEPENDENCY_HARD, PROBE_DOWN, true, false}, {DEPENDENCY_HARD, PROBE_UNKNOWN, true, false},
		{DEPENDENCY_SOFT, PROBE_UP, false, false}, {DEPENDENCY_SOFT, PROBE_DEGRADED, false, true},
		{DEPENDENCY_SOFT, PROBE_DOWN, false, true}, {DEPENDENCY_SOFT, PROBE_UNKNOWN, false, false},
		{DEPENDENCY_INFO, PROBE_DOWN, false, false}, {DEPENDENCY_INFO, PROBE_UNKNOWN, false, false},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		(void)begin(NULL);
		(void)add("a", rows[i].class, "h");
		is(0, rows[i].status);
		judge_at(2);
		if (standing[0].gates != rows[i].gates || standing[0].minor != rows[i].minor || summary.gates != rows[i].gates ||
			summary.degraded != (rows[i].gates || rows[i].minor))
			fail_msg("row %u", i);
	}
}

static void the_last_state_holds_until_it_is_stale(void **state)
{
	(void)state;
	(void)add("a", DEPENDENCY_HARD, "h");
	states[0].ended = SECOND;
	judge_at(61L * SECOND);
	assert_int_equal(standing[0].status, PROBE_UP);
	judge_at(61L * SECOND + 1);
	assert_int_equal(standing[0].status, PROBE_UNKNOWN);
	assert_true(standing[0].gates);
	states[0] = (struct dependency_state){0};
	judge_at(1);
	assert_true(standing[0].gates); /* before the first answer */
}

static void roots_are_found_through_any_number_of_steps(void **state)
{
	(void)state;
	(void)add("dns", DEPENDENCY_SOFT, "d");
	needs(add("db", DEPENDENCY_SOFT, "e"), "dns");
	needs(add("cache", DEPENDENCY_HARD, "f"), "db");
	needs(add("free", DEPENDENCY_SOFT, "g"), "dns");
	is(0, PROBE_DOWN);
	is(1, PROBE_DOWN);
	is(2, PROBE_DOWN);
	judge_at(2);
	assert_int_equal(standing[2].root, 0);
	assert_int_equal(standing[1].root, 0);
	assert_int_equal(standing[0].root, DEPENDENCY_NOBODY);
	assert_int_equal(standing[2].error, PROBE_SKIPPED);
	assert_int_equal(standing[0].error, PROBE_REFUSED);
	assert_int_equal(standing[3].status, PROBE_UP); /* who answers all the same is up */
	is(0, PROBE_UP);
	judge_at(2);
	assert_int_equal(standing[2].root, 1);
	assert_int_equal(standing[1].error, PROBE_REFUSED);
}

static void a_circle_ends_all_the_same(void **state)
{
	(void)state; /* no file has one: this is for memory that was shot at */
	needs(add("a", DEPENDENCY_SOFT, "h"), "b");
	needs(add("b", DEPENDENCY_SOFT, "h"), "a");
	is(0, PROBE_DOWN);
	is(1, PROBE_DOWN);
	judge_at(2);
	assert_int_equal(standing[0].error, PROBE_SKIPPED);
}

static void enough_of_a_group_cover_the_others(void **state)
{
	(void)state;
	strcpy(world.set.groups[world.set.group_count].name, "g");
	world.set.groups[world.set.group_count++].at_least = 2;
	for (unsigned i = 0; i < 3; i++)
		strcpy(add(i == 0 ? "a" : i == 1 ? "b" : "c", DEPENDENCY_HARD, "h")->group_name, "g");
	is(0, PROBE_DOWN);
	judge_at(2);
	assert_false(summary.gates);
	assert_true(standing[0].covered && standing[0].minor);
	is(1, PROBE_UNKNOWN);
	judge_at(2);
	assert_true(summary.gates && standing[0].gates && standing[1].gates && !standing[2].gates);
	is(1, PROBE_DEGRADED);
	judge_at(2);
	assert_false(summary.gates);
}

static void fail_open_needs_all_hard_ones_and_two_hosts(void **state)
{
	static const struct {
		const char *hosts[2];
		enum probe_status statuses[2];
		bool asked, open;
	} rows[] = {
		{{"x", "y"}, {PROBE_DOWN, PROBE_DOWN}, true, true},
		{{"x", "y"}, {PROBE_DOWN, PROBE_DOWN}, false, false},
		{{"x", "x"}, {PROBE_DOWN, PROBE_DOWN}, true, false},
		{{"x", "y"}, {PROBE_DOWN, PROBE_UP}, true, false},
		{{"x", "y"}, {PROBE_DOWN, PROBE_DEGRADED}, true, false},
		{{"x", "y"}, {PROBE_DOWN, PROBE_UNKNOWN}, true, false}, /* nothing is known: not known to be everybody's fault */
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		(void)begin(NULL);
		for (unsigned k = 0; k < 2; k++) {
			(void)add(k ? "b" : "a", DEPENDENCY_HARD, rows[i].hosts[k]);
			is(k, rows[i].statuses[k]);
		}
		(void)add("soft", DEPENDENCY_SOFT, "z"); /* is up, and does not matter */
		limits.all_hard_down = rows[i].asked;
		judge_at(2);
		if (summary.fail_open != rows[i].open)
			fail_msg("row %u", i);
	}
}

static void enough_failing_siblings_open_it(void **state)
{
	(void)state;
	(void)add("a", DEPENDENCY_HARD, "h");
	is(0, PROBE_DOWN);
	limits.peer_share = 0.5;
	judge_at(2);
	assert_false(summary.fail_open); /* nobody knows of them */
	limits.peers_failing = 0.4;
	judge_at(2);
	assert_false(summary.fail_open);
	limits.peers_failing = 0.5;
	judge_at(2);
	assert_true(summary.fail_open);
	is(0, PROBE_UP);
	judge_at(2);
	assert_false(summary.fail_open); /* there is nothing to open */
}

/* Open until now, 50 % of siblings would open it, asked at `asked`; it fell at 10 s, seen at `now`: is it kept open? */
static bool kept(int64_t asked, int64_t now, double failing, bool open)
{
	limits.peer_share = 0.5;
	limits.peers_failing = failing;
	limits.peers_began = asked * SECOND;
	limits.peers_wait_ns = 3L * SECOND;
	judge_again(now * SECOND, open);
	return dependencies_open(&summary) && summary.asking;
}

static void what_falls_waits_until_siblings_were_asked(void **state)
{
	struct verdicts out = {.ready_ok = true};

	(void)state;
	(void)add("a", DEPENDENCY_HARD, "h");
	is(0, PROBE_DOWN);
	states[0].since = states[0].ended = 10L * SECOND;
	assert_true(kept(9, 11, 0, true));
	dependencies_tell(&world.set, standing, &summary, &out);
	assert_true(out.ready_ok);
	assert_int_equal(out.ready.count, 1); /* the dependency, as what does not gate; not fail_open: nothing was decided */
	assert_true(out.ready.items[0].minor);
	assert_false(kept(9, 14, 0, true));   /* not for ever */
	assert_false(kept(11, 11, 0, true));  /* they were asked since: it is its own fault */
	assert_false(kept(9, 11, 0, false));  /* it was not ready before */
	assert_false(kept(9, 11, -1, true));  /* nobody answers there */
	assert_false(kept(11, 12, 0.5, true)); /* they fail, too: that is another reason */
	assert_true(summary.fail_open && dependencies_open(&summary));
}

static void reasons_name_their_dependency(void **state)
{
	struct verdicts out = {.ready_ok = true};

	(void)state;
	(void)add("soft", DEPENDENCY_SOFT, "x");
	(void)add("hard", DEPENDENCY_HARD, "y");
	is(0, PROBE_DOWN);
	is(1, PROBE_DOWN);
	judge_at(2);
	dependencies_tell(&world.set, standing, &summary, &out);
	assert_false(out.ready_ok);
	assert_int_equal(out.ready.count, 2);
	assert_int_equal(out.ready.items[0].dependency, 2); /* what gates comes first */
	assert_false(out.ready.items[0].minor);
	assert_true(out.ready.items[1].minor);
	summary.fail_open = true;
	out = (struct verdicts){.ready_ok = true};
	dependencies_tell(&world.set, standing, &summary, &out);
	assert_true(out.ready_ok);
	assert_int_equal(out.ready.items[2].code, REASON_FAIL_OPEN);
	assert_true(out.ready.items[0].minor && out.ready.items[2].minor);
}

static void more_reasons_than_there_is_room_for_are_left_out(void **state)
{
	struct verdicts out = {.ready_ok = true, .ready.count = VERDICT_REASONS - 2};

	(void)state;
	for (unsigned i = 0; i < MOST; i++) {
		char name[] = {(char)('a' + i), 0};

		(void)add(name, DEPENDENCY_HARD, "x");
		is(i, PROBE_DOWN);
	}
	judge_at(2);
	dependencies_tell(&world.set, standing, &summary, &out);
	assert_int_equal(out.ready.count, VERDICT_REASONS);
	assert_false(out.ready_ok);
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(thresholds_both_ways),
		TEST(old_and_repeated_answers_change_nothing),
		TEST(what_contradicts_is_asked_again),
		TEST(only_hard_ones_gate),
		TEST(the_last_state_holds_until_it_is_stale),
		TEST(roots_are_found_through_any_number_of_steps),
		TEST(a_circle_ends_all_the_same),
		TEST(enough_of_a_group_cover_the_others),
		TEST(fail_open_needs_all_hard_ones_and_two_hosts),
		TEST(enough_failing_siblings_open_it),
		TEST(what_falls_waits_until_siblings_were_asked),
		TEST(reasons_name_their_dependency),
		TEST(more_reasons_than_there_is_room_for_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
