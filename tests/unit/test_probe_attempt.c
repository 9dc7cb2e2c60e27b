/* SPDX-License-Identifier: Apache-2.0 */
/* An attempt: its one deadline, its phases, what is said of it first, and what another thread may see. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "probe/attempt.h"

static struct dependency of; /* too large for a stack */
static struct probe_result result;
static struct attempt attempt;

static int begin(void **state)
{
	int64_t now = clock_mono_ns();

	(void)state;
	memset(&of, 0, sizeof(of));
	attempt_begin(&attempt, &of, &result, now, now + 10 * NS_PER_SECOND);
	return 0;
}

static int end(void **state)
{
	(void)state;
	attempt_end(&attempt);
	return 0;
}

static void until_over(int64_t ns)
{
	attempt.deadline = clock_mono_ns() + ns;
}

/* Until time has passed for sure; who waits longer is late by more. */
static void pass(int64_t ms)
{
	for (int64_t until = clock_mono_ns() + ms * NS_PER_MS; clock_mono_ns() < until;)
		(void)poll(NULL, 0, 1);
}

/* ---- time and phases */

static void phases_add_up_and_one_that_comes_again_adds_to_itself(void **state)
{
	static const enum probe_phase order[] = {PHASE_RESOLVE, PHASE_CONNECT, PHASE_ASK, PHASE_CONNECT, PHASE_ASK};
	int64_t sum = 0, all;

	(void)state;
	for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++) {
		attempt_phase(&attempt, order[i]);
		pass(10);
	}
	attempt_end(&attempt);
	for (unsigned i = 0; i < PHASES; i++)
		sum += result.phase_ns[i];
	all = result.ended - result.began;
	assert_true(result.phase_ns[PHASE_RESOLVE] >= 10 * NS_PER_MS);
	assert_true(result.phase_ns[PHASE_CONNECT] >= 20 * NS_PER_MS && result.phase_ns[PHASE_ASK] >= 20 * NS_PER_MS);
	assert_int_equal(result.phase_ns[PHASE_TLS], 0);
	assert_int_equal(result.phase_ns[PHASE_AUTH], 0);
	/* to a clock's difference: two of them are read, one after the other */
	assert_true(sum >= 50 * NS_PER_MS && llabs(all - sum) < NS_PER_SECOND);
	assert_int_equal(result.status, PROBE_UP);
	(void)begin(state);
}

static void what_comes_after_a_failure_is_no_phase(void **state)
{
	(void)state;
	attempt_phase(&attempt, PHASE_CONNECT);
	(void)attempt_fail(&attempt, PROBE_REFUSED, "no");
	attempt_phase(&attempt, PHASE_ASK);
	attempt_end(&attempt);
	assert_int_equal(result.phase_ns[PHASE_ASK], 0);
	assert_true(result.phase_ns[PHASE_CONNECT] > 0);
	(void)begin(state);
}

static void a_kind_of_one_phase_needs_not_say_so(void **state)
{
	(void)state;
	pass(5);
	attempt_end(&attempt);
	assert_true(result.phase_ns[PHASE_ASK] >= 5 * NS_PER_MS);
	for (unsigned i = 0; i < PHASE_ASK; i++)
		assert_int_equal(result.phase_ns[i], 0);
	assert_true(attempt.phase < PHASES && result.ended - result.began >= 5 * NS_PER_MS);
	(void)begin(state);
}

static void what_is_left_ends_at_zero_and_not_before(void **state)
{
	(void)state;
	until_over(NS_PER_SECOND);
	assert_in_range(attempt_left_ms(&attempt), 1, 1000);
	until_over(2000); /* two microseconds, if nobody came in between */
	assert_in_range(attempt_left_ms(&attempt), 0, 1);
	until_over(-5 * NS_PER_MS);
	assert_int_equal(attempt_left_ms(&attempt), 0);
	attempt.deadline = INT64_MIN / 2;
	assert_int_equal(attempt_left_ms(&attempt), 0);
}

static void who_waits_too_long_fails_by_his_phase(void **state)
{
	static const enum probe_error errors[] = {[PHASE_RESOLVE] = PROBE_DNS_TIMEOUT, [PHASE_CONNECT] = PROBE_CONNECT_TIMEOUT,
		[PHASE_TLS] = PROBE_TIMEOUT, [PHASE_AUTH] = PROBE_TIMEOUT, [PHASE_ASK] = PROBE_TIMEOUT};
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	for (unsigned phase = 0; phase < PHASES; phase++) {
		int64_t before;

		attempt_end(&attempt);
		(void)begin(state);
		attempt_phase(&attempt, (enum probe_phase)phase);
		until_over(20 * NS_PER_MS);
		before = clock_mono_ns();
		assert_false(attempt_wait(&attempt, ends[0], POLLIN));
		assert_true(clock_mono_ns() - before >= 15 * NS_PER_MS);
		assert_int_equal(result.error, errors[phase]);
		assert_non_null(strstr(result.detail, "took longer than"));
	}
	close(ends[0]);
	close(ends[1]);
}

static void waiting_ends_when_something_comes_and_fails_for_no_descriptor(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_true(attempt_wait(&attempt, ends[0], POLLOUT));
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_true(attempt_wait(&attempt, ends[0], POLLIN));
	close(ends[1]);
	assert_true(attempt_wait(&attempt, ends[0], POLLIN)); /* its end is something */
	close(ends[0]);
	assert_false(attempt_wait(&attempt, ends[0], POLLIN));
	assert_int_equal(result.error, PROBE_INTERNAL);
}

/* ---- what is said of it */

static void the_first_failure_stays(void **state)
{
	(void)state;
	assert_false(attempt_failed(&attempt));
	assert_false(attempt_fail(&attempt, PROBE_REFUSED, "number %d", 1));
	assert_false(attempt_fail(&attempt, PROBE_TIMEOUT, "number %d", 2));
	attempt_degrade(&attempt, PROBE_SLOW, "number %d", 3);
	assert_true(attempt_failed(&attempt));
	assert_int_equal(result.status, PROBE_DOWN);
	assert_int_equal(result.error, PROBE_REFUSED);
	assert_string_equal(result.detail, "number 1");
}

static void the_first_that_degrades_stays_until_one_fails(void **state)
{
	(void)state;
	attempt_degrade(&attempt, PROBE_SATURATED, "first");
	attempt_degrade(&attempt, PROBE_SLOW, "second");
	assert_false(attempt_failed(&attempt));
	assert_int_equal(result.status, PROBE_DEGRADED);
	assert_string_equal(result.detail, "first");
	(void)attempt_fail(&attempt, PROBE_WRONG_ROLE, "third");
	assert_int_equal(result.status, PROBE_DOWN);
	assert_int_equal(result.error, PROBE_WRONG_ROLE);
	assert_string_equal(result.detail, "third");
}

static void a_text_is_cut_and_cleaned(void **state)
{
	char text[3 * PROBE_DETAIL];

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memcpy(text, "\x1b[2J\n\xff", 6);
	(void)attempt_fail(&attempt, PROBE_INTERNAL, "%s", text);
	assert_int_equal(strlen(result.detail), PROBE_DETAIL - 1);
	assert_null(strpbrk(result.detail, "\x1b\n\xff"));
}

static void a_number_is_kept_with_its_sign_and_zero_is_one(void **state)
{
	(void)state;
	assert_int_equal(result.has_value, 0);
	attempt_value(&attempt, 0);
	assert_int_equal(result.has_value, 1);
	attempt_value(&attempt, -2.5);
	assert_true(result.value < -2.4 && result.value > -2.6);
}

static void each_errno_is_one_error_of_the_contract(void **state)
{
	static const struct {
		int number;
		enum probe_error connecting, later;
	} rows[] = {
		{ECONNREFUSED, PROBE_REFUSED, PROBE_REFUSED},
		{ENOENT, PROBE_REFUSED, PROBE_REFUSED}, /* of a unix socket */
		{ECONNRESET, PROBE_REFUSED, PROBE_PROTOCOL_ERROR},
		{EPIPE, PROBE_PROTOCOL_ERROR, PROBE_PROTOCOL_ERROR},
		{ENETUNREACH, PROBE_UNREACHABLE, PROBE_UNREACHABLE},
		{EHOSTUNREACH, PROBE_UNREACHABLE, PROBE_UNREACHABLE},
		{ENETDOWN, PROBE_UNREACHABLE, PROBE_UNREACHABLE},
		{EAFNOSUPPORT, PROBE_UNREACHABLE, PROBE_UNREACHABLE},
		{EADDRNOTAVAIL, PROBE_UNREACHABLE, PROBE_UNREACHABLE},
		{ETIMEDOUT, PROBE_CONNECT_TIMEOUT, PROBE_TIMEOUT},
		{EAGAIN, PROBE_CONNECT_TIMEOUT, PROBE_TIMEOUT},
		{EINPROGRESS, PROBE_CONNECT_TIMEOUT, PROBE_TIMEOUT},
		{EMFILE, PROBE_INTERNAL, PROBE_INTERNAL},
		{EACCES, PROBE_INTERNAL, PROBE_INTERNAL},
		{EPERM, PROBE_INTERNAL, PROBE_INTERNAL},
		{ENOMEM, PROBE_INTERNAL, PROBE_INTERNAL},
		{EBADF, PROBE_INTERNAL, PROBE_INTERNAL},
	};

	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(*rows); i++) {
		bool later = i & 1;

		attempt_end(&attempt);
		(void)begin(state);
		attempt_phase(&attempt, later ? PHASE_ASK : PHASE_CONNECT);
		assert_false(attempt_fail_errno(&attempt, rows[i / 2].number, "doing"));
		if (result.error != (later ? rows[i / 2].later : rows[i / 2].connecting))
			fail_msg("%s: is %s", strerror(rows[i / 2].number), probe_error_text(result.error));
		assert_memory_equal(result.detail, "doing: ", 7);
	}
}

static void a_name_of_a_service_is_cut(void **state)
{
	char name[200];

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	attempt_name_service(name);
	assert_int_equal(strlen(attempt_service()), 63);
	attempt_name_service("orders");
	assert_string_equal(attempt_service(), "orders");
}

/* ---- the password */

static void password_in_file(const char *bytes, size_t count, char *out, size_t room)
{
	FILE *file;

	(void)snprintf(of.password_file, sizeof(of.password_file), "/tmp/probe-attempt-%d", (int)getpid());
	file = fopen(of.password_file, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, count, file), count);
	fclose(file);
	(void)attempt_password(&attempt, out, room);
	unlink(of.password_file);
}

static void a_password_is_the_files_without_its_last_newline(void **state)
{
	char out[16] = "";

	(void)state;
	strcpy(of.at.password, "of the URL");
	assert_true(attempt_password(&attempt, out, sizeof(out)));
	assert_string_equal(out, "of the URL");
	password_in_file("secret\n", 7, out, sizeof(out));
	assert_string_equal(out, "secret");
	password_in_file("two\n\n", 5, out, sizeof(out));
	assert_string_equal(out, "two\n");
	password_in_file("", 0, out, sizeof(out));
	assert_string_equal(out, "");
	password_in_file("14 bytes of it", 14, out, sizeof(out));
	assert_string_equal(out, "14 bytes of it");
	assert_false(attempt_failed(&attempt));
	password_in_file("15 bytes of it.", 15, out, sizeof(out)); /* might be cut: not used */
	assert_int_equal(result.error, PROBE_INTERNAL);
	assert_non_null(strstr(result.detail, "longer than 14 bytes"));
	assert_null(strstr(result.detail, "bytes of it."));
}

static void a_password_file_that_cannot_be_read_is_named(void **state)
{
	char out[16] = "";

	(void)state;
	strcpy(of.at.password, "of the URL"); /* is not fallen back to */
	strcpy(of.password_file, "/nowhere/secret");
	assert_false(attempt_password(&attempt, out, sizeof(out)));
	assert_int_equal(result.error, PROBE_INTERNAL);
	assert_non_null(strstr(result.detail, "/nowhere/secret"));
	assert_string_not_equal(out, "of the URL");
	attempt_end(&attempt);
	(void)begin(state);
	strcpy(of.password_file, "/tmp");
	assert_false(attempt_password(&attempt, out, sizeof(out)));
	assert_int_equal(result.error, PROBE_INTERNAL);
}

/* A pipe that nobody writes to must not hold the thread: nothing could free it. */
static void a_password_file_that_is_a_pipe_holds_nobody_up(void **state)
{
	char out[16];

	(void)state;
	(void)snprintf(of.password_file, sizeof(of.password_file), "/tmp/probe-attempt-pipe-%d", (int)getpid());
	(void)unlink(of.password_file);
	assert_int_equal(mkfifo(of.password_file, 0600), 0);
	alarm(20); /* SIGALRM ends a test that hangs */
	(void)attempt_password(&attempt, out, sizeof(out));
	alarm(0);
	unlink(of.password_file);
}

/* ---- the other thread */

static void *look_at_it(void *seen)
{
	struct probe_result overdue;
	_Atomic bool *over = seen;

	while (!*over) {
		attempt_overdue(&attempt, &overdue);
		if (memchr(overdue.address, '\0', sizeof(overdue.address)) == NULL)
			abort();
		if (strcmp(overdue.address, "") && strcmp(overdue.address, "1.1.1.1:1") && strcmp(overdue.address, "[::1]:2"))
			abort(); /* half of one, half of another */
	}
	return NULL;
}

static void what_an_overrun_attempt_reached_can_be_told_while_it_runs(void **state)
{
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(1), .sin_addr.s_addr = htonl(0x01010101)};
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(2), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	_Atomic bool over = false;
	struct probe_result overdue;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, look_at_it, &over), 0);
	for (unsigned i = 0; i <= 2001; i++) {
		attempt_phase(&attempt, (enum probe_phase)(i % PHASES)); /* at last PHASE_CONNECT */
		attempt_note_address(&attempt, i & 1 ? (void *)&four : (void *)&six, i & 1 ? sizeof(four) : sizeof(six));
		attempt_hold(&attempt, i & 1 ? 0 : -1);
		if (i == 2001)
			(void)attempt_fail(&attempt, PROBE_REFUSED, "number %u", i);
	}
	over = true;
	pthread_join(thread, NULL);
	attempt_overdue(&attempt, &overdue);
	assert_int_equal(overdue.error, PROBE_CONNECT_TIMEOUT);
	assert_string_equal(overdue.detail, "connecting took longer than 10 s");
	assert_string_equal(overdue.address, "1.1.1.1:1");
	assert_string_equal(result.detail, "number 2001"); /* its own result is untouched */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(phases_add_up_and_one_that_comes_again_adds_to_itself),
		TEST(what_comes_after_a_failure_is_no_phase),
		TEST(a_kind_of_one_phase_needs_not_say_so),
		TEST(what_is_left_ends_at_zero_and_not_before),
		TEST(who_waits_too_long_fails_by_his_phase),
		TEST(waiting_ends_when_something_comes_and_fails_for_no_descriptor),
		TEST(the_first_failure_stays),
		TEST(the_first_that_degrades_stays_until_one_fails),
		TEST(a_text_is_cut_and_cleaned),
		TEST(a_number_is_kept_with_its_sign_and_zero_is_one),
		TEST(each_errno_is_one_error_of_the_contract),
		TEST(a_name_of_a_service_is_cut),
		TEST(a_password_is_the_files_without_its_last_newline),
		TEST(a_password_file_that_cannot_be_read_is_named),
		TEST(a_password_file_that_is_a_pipe_holds_nobody_up),
		TEST(what_an_overrun_attempt_reached_can_be_told_while_it_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
