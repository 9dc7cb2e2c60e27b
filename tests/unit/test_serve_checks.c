/* SPDX-License-Identifier: Apache-2.0 */
/* livez, readyz and startupz: which code, which lines, and what is believed when the sampler falls silent. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "serve/render.h"

enum { NOW = 1000 };

static struct snapshot *snapshot; /* of the running test */

static int start(void **state)
{
	(void)state;
	snapshot = snapshot_new(0, 0);
	snapshot->tick_ns = 100 * NS_PER_MS;
	snapshot->verdict = VERDICT_ALIVE;
	snapshot->live.ok = snapshot->ready.ok = snapshot->startup.ok = true;
	return 0;
}

static int finish(void **state)
{
	(void)state;
	free(snapshot);
	return 0;
}

static void add(struct snapshot_answer *answer, enum reason_code code, enum held_code held, bool minor)
{
	answer->reasons[answer->reason_count++] = (struct snapshot_reason){.code = code, .held = held, .minor = minor};
}

static struct standing after(double silence)
{
	int64_t now = NOW * NS_PER_SECOND;

	return standing_of(snapshot, now, now - (int64_t)(silence * NS_PER_SECOND), 100 * NS_PER_MS);
}

/* Renders, checks the code, and hands out the body until the next call. */
static const char *body_of(render_function *render, struct request request, double silence, unsigned code)
{
	static struct reply reply;
	struct standing standing = after(silence);

	buf_free(&reply.body);
	buf_start(&reply.body, 65536);
	render(&reply, &standing, &request, &(struct render_setup){.details = false});
	assert_false(reply.body.failed);
	assert_int_equal(reply.code, code);
	return reply.body.data;
}

static struct request excluding(const char *first, const char *second, bool verbose)
{
	return (struct request){.excludes = {first, second}, .exclude_count = second ? 2 : 1, .verbose = verbose};
}

static const struct request plain = {.check = NULL}, verbose = {.verbose = true};

static void all_well_is_two_letters(void **state)
{
	(void)state;
	assert_string_equal(body_of(render_livez, plain, 0, 200), "ok");
	assert_string_equal(body_of(render_readyz, plain, 0, 200), "ok");
	assert_string_equal(body_of(render_startupz, plain, 0, 200), "ok");
}

static void verbose_lists_the_checks_of_the_contract(void **state)
{
	(void)state;
	assert_string_equal(body_of(render_livez, verbose, 0, 200),
		"[+]exited ok\n[+]deadlock ok\n[+]orphaned_lock ok\n[+]loop_blocked ok\n[+]loop_spinning ok\n"
		"[+]pool_exhausted ok\n[+]no_progress ok\n[+]idle_with_backlog ok\nlivez check passed\n");
	assert_string_equal(body_of(render_startupz, verbose, 0, 200),
		"[+]starting ok\n[+]start_timeout ok\nstartupz check passed\n");
	assert_string_equal(body_of(render_readyz, verbose, 0, 200),
		"[+]exited ok\n[+]deadlock ok\n[+]orphaned_lock ok\n[+]loop_blocked ok\n[+]loop_spinning ok\n"
		"[+]pool_exhausted ok\n[+]no_progress ok\n[+]idle_with_backlog ok\n[+]dependency_wait ok\n"
		"[+]io_wait ok\n[+]suspended ok\n[+]frozen ok\n[+]core_dump ok\n[+]starting ok\n[+]start_timeout ok\n"
		"[+]draining ok\n[+]maintenance ok\n[+]dependency_down ok\n[+]queue_full ok\n[+]memory_pressure ok\n"
		"[+]thread_leak ok\n[+]fd_exhaustion ok\n[+]stale ok\nreadyz check passed\n");
}

static void only_dead_fails_livez(void **state)
{
	static const struct {
		enum verdict verdict;
		unsigned code;
	} rows[] = {{VERDICT_UNKNOWN, 200}, {VERDICT_ALIVE, 200}, {VERDICT_DEGRADED, 200}, {VERDICT_DEAD, 503}};

	(void)state;
	add(&snapshot->live, REASON_DEADLOCK, HELD_NO, false);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		snapshot->verdict = rows[i].verdict;
		(void)body_of(render_livez, plain, 0, rows[i].code);
		(void)body_of(render_livez, (struct request){.check = "deadlock"}, 0, rows[i].code);
		(void)body_of(render_livez, (struct request){.check = "exited"}, 0, 200);
	}
}

static void a_failure_is_verbose_and_names_the_code_only(void **state)
{
	const char *body;

	(void)state;
	snapshot->verdict = VERDICT_DEAD;
	add(&snapshot->live, REASON_DEADLOCK, HELD_NO, false);
	strcpy(snapshot->live.reasons[0].detail, "free text");
	body = body_of(render_livez, plain, 0, 503);
	assert_non_null(strstr(body, "[+]exited ok\n[-]deadlock failed: deadlock\n[+]orphaned_lock ok\n"));
	assert_non_null(strstr(body, "\nlivez check failed\n"));
	assert_null(strstr(body, "free text"));
	body = body_of(render_livez, (struct request){.check = "deadlock"}, 0, 503);
	assert_string_equal(body, "[-]deadlock failed: deadlock\nlivez check failed\n");
}

static void what_is_held_or_minor_fails_no_check(void **state)
{
	const char *body;

	(void)state;
	snapshot->verdict = VERDICT_DEAD;
	add(&snapshot->live, REASON_EXITED, HELD_NO, false);
	add(&snapshot->live, REASON_DEADLOCK, HELD_OBSERVE, false);
	add(&snapshot->live, REASON_LOOP_BLOCKED, HELD_NO, true);
	body = body_of(render_livez, plain, 0, 503);
	assert_non_null(strstr(body, "[-]exited failed: exited\n[+]deadlock ok\n[+]orphaned_lock ok\n[+]loop_blocked ok\n"));
	assert_string_equal(body_of(render_livez, excluding("exited", NULL, false), 0, 200), "ok");
}

static void excludes_change_the_code(void **state)
{
	const char *body;

	(void)state;
	snapshot->ready.ok = false;
	add(&snapshot->ready, REASON_DRAINING, HELD_NO, false);
	add(&snapshot->ready, REASON_QUEUE_FULL, HELD_NO, false);
	body = body_of(render_readyz, excluding("draining", NULL, false), 0, 503);
	assert_non_null(strstr(body, "[+]draining excluded: ok\n"));
	assert_non_null(strstr(body, "[-]queue_full failed: queue_full\n"));
	assert_string_equal(body_of(render_readyz, excluding("draining", "queue_full", false), 0, 200), "ok");
	body = body_of(render_readyz, excluding("draining", "queue_full", true), 0, 200);
	assert_non_null(strstr(body, "[+]queue_full excluded: ok\n"));
	assert_non_null(strstr(body, "readyz check passed\n"));
}

static void an_exclude_that_matches_nothing_is_named(void **state)
{
	const char *body = body_of(render_startupz, excluding("zz\"\n", "db", true), 0, 200);

	(void)state;
	assert_string_equal(body, "[+]starting ok\n[+]start_timeout ok\n"
		"warn: some health checks cannot be excluded: no matches for \"db\",\"zz\\\"\\x0a\"\nstartupz check passed\n");
	body = body_of(render_startupz, excluding("db", "db", true), 0, 200);
	assert_non_null(strstr(body, "no matches for \"db\"\n"));
	assert_string_equal(body_of(render_startupz, excluding("db", NULL, false), 0, 200), "ok");
}

static void a_failure_without_a_reason_cannot_be_excluded(void **state)
{
	(void)state;
	snapshot->ready.ok = false;
	(void)body_of(render_readyz, plain, 0, 503);
	(void)body_of(render_readyz, excluding("draining", "starting", false), 0, 503);
}

static void unknown_checks_are_not_found(void **state)
{
	(void)state;
	(void)body_of(render_livez, (struct request){.check = "draining"}, 0, 404); /* one of readyz */
	(void)body_of(render_readyz, (struct request){.check = "traced"}, 0, 404);  /* shown, never gating */
	(void)body_of(render_startupz, (struct request){.check = "none"}, 0, 404);
	(void)body_of(render_readyz, (struct request){.check = "deadlock"}, 0, 200);
}

static void silence_is_doubted_after_three_ticks_and_a_second(void **state)
{
	(void)state;
	snapshot->verdict = VERDICT_DEAD;
	add(&snapshot->live, REASON_EXITED, HELD_NO, false);
	assert_int_equal(after(1.2).verdict, VERDICT_DEAD);
	(void)body_of(render_livez, plain, 1.2, 503);
	assert_int_equal(after(1.4).verdict, VERDICT_UNKNOWN);
	assert_string_equal(body_of(render_livez, plain, 1.4, 200), "ok");
	snapshot->tick_ns = NS_PER_SECOND; /* the tick that the snapshot was made with counts */
	assert_int_equal(after(3.9).verdict, VERDICT_DEAD);
	assert_int_equal(after(4.1).verdict, VERDICT_UNKNOWN);
}

static void ten_seconds_of_silence_are_stale(void **state)
{
	const char *body;

	(void)state;
	assert_string_equal(body_of(render_readyz, plain, 9.9, 200), "ok");
	body = body_of(render_readyz, plain, 10.1, 503);
	assert_non_null(strstr(body, "[-]stale failed: stale\n"));
	assert_string_equal(body_of(render_readyz, excluding("stale", NULL, false), 10.1, 200), "ok");
	assert_string_equal(body_of(render_livez, plain, 1e6, 200), "ok");
	assert_string_equal(body_of(render_startupz, plain, 1e6, 200), "ok");
}

static void stale_does_not_hide_the_last_reasons(void **state)
{
	const char *body;

	(void)state;
	snapshot->ready.ok = false;
	add(&snapshot->ready, REASON_DRAINING, HELD_NO, false);
	body = body_of(render_readyz, plain, 11, 503);
	assert_non_null(strstr(body, "[-]draining failed: draining\n"));
	assert_non_null(strstr(body, "[-]stale failed: stale\n"));
}

static void status_is_the_worst_of_live_and_ready(void **state)
{
	struct standing standing = after(0);

	(void)state;
	assert_string_equal(standing_status(&standing), "pass");
	standing = after(2);
	assert_string_equal(standing_status(&standing), "warn");
	snapshot->verdict = VERDICT_DEGRADED;
	standing = after(0);
	assert_string_equal(standing_status(&standing), "warn");
	snapshot->ready.ok = false;
	standing = after(0);
	assert_string_equal(standing_status(&standing), "fail");
	snapshot->ready.ok = true;
	snapshot->verdict = VERDICT_DEAD;
	standing = after(0);
	assert_string_equal(standing_status(&standing), "fail");
}

static void every_code_has_a_text_of_its_own(void **state)
{
	(void)state;
	for (enum reason_code a = 0; a < REASON_COUNT; a++) {
		assert_non_null(reason_text(a));
		assert_true(!reason_is_live(a) || reason_is_ready(a));
		for (enum reason_code b = a + 1; b < REASON_COUNT; b++)
			assert_string_not_equal(reason_text(a), reason_text(b));
	}
	assert_null(held_text(HELD_NO));
	for (enum held_code held = HELD_NO + 1; held < HELD_COUNT; held++)
		assert_non_null(held_text(held));
	for (enum verdict verdict = 0; verdict < VERDICT_COUNT; verdict++)
		assert_non_null(verdict_text(verdict));
	for (enum event_what what = 0; what < EVENT_WHAT_COUNT; what++)
		assert_non_null(event_text(what));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_well_is_two_letters),
		TEST(verbose_lists_the_checks_of_the_contract),
		TEST(only_dead_fails_livez),
		TEST(a_failure_is_verbose_and_names_the_code_only),
		TEST(what_is_held_or_minor_fails_no_check),
		TEST(excludes_change_the_code),
		TEST(an_exclude_that_matches_nothing_is_named),
		TEST(a_failure_without_a_reason_cannot_be_excluded),
		TEST(unknown_checks_are_not_found),
		TEST(silence_is_doubted_after_three_ticks_and_a_second),
		TEST(ten_seconds_of_silence_are_stale),
		TEST(stale_does_not_hide_the_last_reasons),
		TEST(status_is_the_worst_of_live_and_ready),
		TEST(every_code_has_a_text_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
