/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes over a connection, under the attempt's deadline, and who frees whoever waits for them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "probe/attempt.h"

static struct dependency of; /* too large for a stack */
static struct probe_result result;
static struct attempt attempt;
static int ends[2]; /* ours, the other side's */

static int begin(void **state)
{
	int64_t now = clock_mono_ns();

	(void)state;
	attempt_begin(&attempt, &of, &result, now, now + 20 * NS_PER_SECOND);
	attempt_phase(&attempt, PHASE_ASK);
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends);
}

static int end(void **state)
{
	(void)state;
	attempt_end(&attempt);
	close(ends[0]);
	if (ends[1] >= 0)
		close(ends[1]);
	return 0;
}

static void hang_up(void)
{
	close(ends[1]);
	ends[1] = -1;
}

static void what_comes_is_received_and_an_end_is_no_failure(void **state)
{
	char bytes[8];

	(void)state;
	assert_int_equal(write(ends[1], "abc", 3), 3);
	assert_int_equal(attempt_receive(&attempt, ends[0], bytes, sizeof(bytes)), 3);
	hang_up();
	assert_int_equal(attempt_receive(&attempt, ends[0], bytes, sizeof(bytes)), 0);
	assert_false(attempt_failed(&attempt));
}

static void who_says_nothing_is_waited_for_until_the_deadline(void **state)
{
	int64_t before = clock_mono_ns();
	char bytes[8];

	(void)state;
	attempt.deadline = before + 80 * NS_PER_MS;
	assert_int_equal(attempt_receive(&attempt, ends[0], bytes, sizeof(bytes)), -1);
	assert_in_range((clock_mono_ns() - before) / NS_PER_MS, 79, 10000);
	assert_int_equal(result.error, PROBE_TIMEOUT);
}

static void who_takes_nothing_is_waited_for_until_the_deadline(void **state)
{
	static char bytes[1 << 22];

	(void)state;
	attempt.deadline = clock_mono_ns() + 80 * NS_PER_MS;
	assert_false(attempt_send(&attempt, ends[0], bytes, sizeof(bytes)));
	assert_int_equal(result.error, PROBE_TIMEOUT);
}

static void *take_all(void *count)
{
	char bytes[65536];

	for (ssize_t got; (got = read(ends[1], bytes, sizeof(bytes))) > 0;)
		*(size_t *)count += (size_t)got;
	return NULL;
}

static void all_is_sent_however_slowly_it_is_taken(void **state)
{
	static char bytes[1 << 22];
	size_t count = 0;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, take_all, &count), 0);
	assert_true(attempt_send(&attempt, ends[0], bytes, sizeof(bytes)));
	assert_int_equal(shutdown(ends[0], SHUT_WR), 0);
	pthread_join(thread, NULL);
	assert_int_equal(count, sizeof(bytes));
}

/* And no SIGPIPE, which would end this test. */
static void sending_to_who_has_gone_fails(void **state)
{
	(void)state;
	hang_up();
	assert_false(attempt_send(&attempt, ends[0], "x", 1));
	assert_int_equal(result.error, PROBE_PROTOCOL_ERROR);
	assert_memory_equal(result.detail, "sending: ", 9);
}

static void an_empty_message_needs_nobody(void **state)
{
	(void)state;
	attempt.deadline = 0;
	assert_true(attempt_send(&attempt, -1, NULL, 0));
}

static void a_reset_is_told_as_that(void **state)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct linger hard = {.l_onoff = 1};
	socklen_t length = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0), other;
	char byte;

	(void)state;
	assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)) | listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &length), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	other = accept(listener, NULL, NULL);
	assert_int_equal(setsockopt(other, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
	close(other);
	assert_int_equal(attempt_receive(&attempt, fd, &byte, 1), -1);
	assert_int_equal(result.error, PROBE_PROTOCOL_ERROR);
	assert_memory_equal(result.detail, "receiving: ", 11);
	assert_true(attempt_hung_up(fd));
	close(fd);
	close(listener);
}

static void a_kept_connection_that_has_ended_is_seen(void **state)
{
	(void)state;
	assert_false(attempt_hung_up(-1));
	assert_false(attempt_hung_up(ends[0]));
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_false(attempt_hung_up(ends[0])); /* bytes are no end */
	assert_int_equal(shutdown(ends[1], SHUT_WR), 0);
	assert_true(attempt_hung_up(ends[0])); /* though there is one to be read before it */
	hang_up();
	assert_true(attempt_hung_up(ends[0]));
}

/* As the engine does once the deadline has passed. */
static void *free_it(void *nothing)
{
	(void)nothing;
	while (attempt.held < 0)
		(void)poll(NULL, 0, 1);
	(void)poll(NULL, 0, 50); /* it waits by then, or comes to what was shut down: both are freed */
	(void)pthread_mutex_lock(&attempt.note);
	(void)shutdown(attempt.held, SHUT_RDWR);
	(void)pthread_mutex_unlock(&attempt.note);
	return NULL;
}

static void whoever_waits_is_freed_by_another_thread(void **state)
{
	int64_t before = clock_mono_ns();
	pthread_t thread;
	char byte;

	(void)state;
	attempt.deadline = before + 120 * NS_PER_SECOND;
	assert_int_equal(pthread_create(&thread, NULL, free_it, NULL), 0);
	attempt_hold(&attempt, ends[0]);
	assert_int_equal(attempt_receive(&attempt, ends[0], &byte, 1), 0);
	pthread_join(thread, NULL);
	assert_true(clock_mono_ns() - before < 60 * NS_PER_SECOND);
	attempt_hold(&attempt, -1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(what_comes_is_received_and_an_end_is_no_failure),
		TEST(who_says_nothing_is_waited_for_until_the_deadline),
		TEST(who_takes_nothing_is_waited_for_until_the_deadline),
		TEST(all_is_sent_however_slowly_it_is_taken),
		TEST(sending_to_who_has_gone_fails),
		TEST(an_empty_message_needs_nobody),
		TEST(a_reset_is_told_as_that),
		TEST(a_kept_connection_that_has_ended_is_seen),
		TEST(whoever_waits_is_freed_by_another_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
