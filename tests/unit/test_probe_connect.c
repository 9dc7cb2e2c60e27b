/* SPDX-License-Identifier: Apache-2.0 */
/* Connecting, sending and receiving under the attempt's deadline. The resolver is the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "probe/attempt.h"
#include "probe/resolver.h"
#include "probe/turns.h"

static struct dependency of; /* too large for a stack */
static struct probe_result result;
static struct attempt attempt;

/* ---- in place of agent/probe/resolver.c */

static struct {
	enum resolver_answer answer;
	unsigned count, doubted;
	struct attempt_address list[ATTEMPT_ADDRESSES];
} names;

enum resolver_answer resolver_ask(const char *host, int64_t until, struct attempt_address out[ATTEMPT_ADDRESSES], unsigned *count,
	char *why, size_t why_bytes)
{
	assert_string_equal(host, "several.example");
	assert_int_equal(until, attempt.deadline);
	memcpy(out, names.list, sizeof(names.list));
	*count = names.count;
	(void)snprintf(why, why_bytes, "as the test wants it");
	return names.answer;
}

void resolver_doubt(const char *host)
{
	(void)host;
	names.doubted++;
}

static void add_name(const char *number)
{
	struct attempt_address *at = &names.list[names.count++];
	struct sockaddr_in *v4 = (struct sockaddr_in *)&at->address;

	*at = (struct attempt_address){.length = sizeof(*v4)};
	v4->sin_family = AF_INET;
	assert_int_equal(inet_pton(AF_INET, number, &v4->sin_addr), 1);
}

/* ---- */

static int begin(void **state)
{
	int64_t now = clock_mono_ns();

	(void)state;
	memset(&of, 0, sizeof(of));
	memset(&names, 0, sizeof(names));
	attempt_begin(&attempt, &of, &result, now, now + 20 * NS_PER_SECOND);
	return 0;
}

static int end(void **state)
{
	(void)state;
	attempt_end(&attempt);
	return 0;
}

static void within(int64_t ms)
{
	attempt.deadline = clock_mono_ns() + ms * NS_PER_MS;
}

/* A listener at 127.0.0.x, or at that port there. */
static int listen_at(const char *number, unsigned *port, int backlog)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)*port)};
	socklen_t length = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	assert_int_equal(inet_pton(AF_INET, number, &at.sin_addr), 1);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	if (backlog >= 0)
		assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &length), 0);
	*port = ntohs(at.sin_port);
	return fd;
}

/* Takes its places, so that who comes next gets no answer. */
static void fill(const char *number, unsigned port, int fds[4])
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

	assert_int_equal(inet_pton(AF_INET, number, &at.sin_addr), 1);
	for (unsigned i = 0; i < 4; i++) {
		struct pollfd wait;

		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)connect(fds[i], (struct sockaddr *)&at, sizeof(at)); /* EINPROGRESS */
		wait = (struct pollfd){.fd = fds[i], .events = POLLOUT};
		(void)poll(&wait, 1, 50);
	}
}

static void close_all(const int *fds, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		close(fds[i]);
}

static void a_number_is_connected_to_without_asking_anybody(void **state)
{
	unsigned port = 0;
	int listener = listen_at("127.0.0.1", &port, 4), fd = attempt_connect(&attempt, "127.0.0.1", port);
	char text[32];

	(void)state;
	(void)snprintf(text, sizeof(text), "127.0.0.1:%u", port);
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_string_equal(result.address, text);
	assert_int_equal(attempt.held, fd);
	assert_int_equal(attempt.phase, PHASE_CONNECT);
	assert_int_equal(result.phase_ns[PHASE_RESOLVE], 0);
	attempt_hold(&attempt, -1);
	close(fd);
	close(listener);
}

static void where_nobody_listens_it_is_refused(void **state)
{
	static const char *const hosts[] = {"127.0.0.1", "::1"};
	unsigned port = 0;
	int taken = listen_at("127.0.0.1", &port, -1); /* bound, so that it stays nobody's */

	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(attempt_connect(&attempt, hosts[i], port), -1);
		if (result.error != PROBE_REFUSED && !(i && result.error == PROBE_UNREACHABLE)) /* a machine without IPv6 */
			fail_msg("%s: is %s: %s", hosts[i], probe_error_text(result.error), result.detail);
		assert_int_equal(attempt.held, -1);
		assert_int_equal(names.doubted, 1);
		attempt_end(&attempt);
		(void)begin(state);
	}
	close(taken);
}

static void what_cannot_be_reached_is_told_as_that(void **state)
{
	(void)state;
	assert_int_equal(attempt_connect(&attempt, "255.255.255.255", 9), -1); /* EACCES or ENETUNREACH, at once */
	assert_true(result.error == PROBE_UNREACHABLE || result.error == PROBE_INTERNAL);
}

static void a_full_queue_is_waited_for_until_the_deadline_and_no_longer(void **state)
{
	unsigned port = 0;
	int listener = listen_at("127.0.0.1", &port, 0), fds[4];
	int64_t before;

	(void)state;
	fill("127.0.0.1", port, fds);
	within(150);
	before = clock_mono_ns();
	assert_int_equal(attempt_connect(&attempt, "127.0.0.1", port), -1);
	assert_in_range((clock_mono_ns() - before) / NS_PER_MS, 140, 10000);
	assert_int_equal(result.error, PROBE_CONNECT_TIMEOUT);
	assert_non_null(strstr(result.detail, "does not answer"));
	assert_non_null(strstr(result.detail, "127.0.0.1:"));
	close_all(fds, 4);
	close(listener);
}

static void a_dead_address_costs_only_its_share(void **state)
{
	unsigned port = 0;
	int full = listen_at("127.0.0.2", &port, 0), good = listen_at("127.0.0.3", &port, 4), fds[4], fd;
	int64_t before;

	(void)state;
	fill("127.0.0.2", port, fds);
	add_name("127.0.0.2");
	add_name("127.0.0.3");
	within(4000);
	before = clock_mono_ns();
	fd = attempt_connect(&attempt, "several.example", port);
	assert_true(fd >= 0);
	assert_in_range((clock_mono_ns() - before) / NS_PER_MS, 1900, 3900); /* half of it */
	assert_memory_equal(result.address, "127.0.0.3:", 10);
	assert_false(attempt_failed(&attempt));
	assert_int_equal(names.doubted, 0);
	close(fd);
	close_all(fds, 4);
	close(full);
	close(good);
}

static void an_address_that_refuses_costs_nothing_and_the_last_one_is_told(void **state)
{
	unsigned port = 0;
	int good = listen_at("127.0.0.3", &port, 4), fd;

	(void)state;
	add_name("127.0.0.4");
	add_name("127.0.0.3");
	fd = attempt_connect(&attempt, "several.example", port);
	assert_true(fd >= 0);
	close(fd);
	close(good);
	assert_int_equal(attempt_connect(&attempt, "several.example", port), -1);
	assert_int_equal(result.error, PROBE_REFUSED);
	assert_memory_equal(result.address, "127.0.0.3:", 10);
	assert_int_equal(names.doubted, 1);
}

static void a_name_without_addresses_says_why(void **state)
{
	(void)state;
	names.answer = RESOLVER_NO_NAME;
	assert_int_equal(attempt_connect(&attempt, "several.example", 1), -1);
	assert_int_equal(result.error, PROBE_DNS_NXDOMAIN);
	assert_string_equal(result.detail, "several.example: no such name");
	assert_int_equal(attempt.phase, PHASE_RESOLVE);
	attempt_end(&attempt);
	(void)begin(state);
	names.answer = RESOLVER_FAILED;
	assert_int_equal(attempt_connect(&attempt, "several.example", 1), -1);
	assert_int_equal(result.error, PROBE_DNS_TIMEOUT);
	assert_string_equal(result.detail, "several.example: as the test wants it");
	assert_string_equal(result.address, "");
}

/* ---- turns.c: the same for libraries that connect by themselves */

static void turns_share_what_is_left_and_end(void **state)
{
	struct turns turns;
	int64_t first;

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		add_name("127.0.0.9");
	add_name("127.0.0.8");
	within(5000);
	assert_true(turns_begin(&turns, &attempt, "several.example", 77));
	first = clock_mono_ns();
	assert_true(turns_next(&turns, &attempt));
	assert_in_range((turns.until - first) / NS_PER_MS, 0, 1000); /* a fifth */
	assert_string_equal(turns.number, "127.0.0.9");
	assert_string_equal(result.address, "127.0.0.9:77");
	turns.until = clock_mono_ns();
	assert_false(turns_wait(&turns, 0, POLLIN));
	assert_false(attempt_failed(&attempt));
	for (unsigned i = 0; i < 4; i++)
		assert_true(turns_next(&turns, &attempt));
	assert_string_equal(turns.number, "127.0.0.8");
	assert_true(turns.until <= attempt.deadline && turns.until > attempt.deadline - NS_PER_MS);
	assert_false(turns_next(&turns, &attempt));
	assert_false(turns_fail(&turns, &attempt, ETIMEDOUT));
	assert_int_equal(result.error, PROBE_CONNECT_TIMEOUT);
	assert_string_equal(result.detail, "127.0.0.8:77 does not answer");
	assert_int_equal(names.doubted, 1);
}

static void no_turn_begins_when_the_time_is_over(void **state)
{
	struct turns turns;

	(void)state;
	add_name("127.0.0.9");
	assert_true(turns_begin(&turns, &attempt, "several.example", 77));
	within(-1);
	assert_false(turns_next(&turns, &attempt));
}

/* ---- unix sockets */

static int listen_unix(const char *path, int backlog)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	(void)unlink(path);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

static void a_unix_socket_is_connected_to_by_its_path(void **state)
{
	char path[64], text[80], longer[200];
	int listener, fd;

	(void)snprintf(path, sizeof(path), "/tmp/probe-connect-%d", (int)getpid());
	(void)snprintf(text, sizeof(text), "unix:%s", path);
	listener = listen_unix(path, 4);
	fd = attempt_connect_unix(&attempt, path);
	assert_true(fd >= 0);
	assert_string_equal(result.address, text);
	close(fd);
	close(listener);
	assert_int_equal(attempt_connect_unix(&attempt, path), -1); /* a socket that its owner left behind */
	assert_int_equal(result.error, PROBE_REFUSED);
	unlink(path);
	attempt_end(&attempt);
	(void)begin(state);
	assert_int_equal(attempt_connect_unix(&attempt, path), -1);
	assert_int_equal(result.error, PROBE_REFUSED);
	attempt_end(&attempt);
	(void)begin(state);
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(attempt_connect_unix(&attempt, longer), -1);
	assert_int_equal(result.error, PROBE_INTERNAL);
}

static void *accept_two(void *listener)
{
	(void)poll(NULL, 0, 200); /* the other side is waiting by then, or comes to an empty queue */
	for (unsigned i = 0; i < 2; i++)
		close(accept(*(int *)listener, NULL, NULL));
	return NULL;
}

static void a_full_unix_socket_is_waited_for(void **state)
{
	char path[64];
	int listener, first, second;
	pthread_t thread;

	(void)snprintf(path, sizeof(path), "/tmp/probe-connect-full-%d", (int)getpid());
	listener = listen_unix(path, 0);
	first = attempt_connect_unix(&attempt, path);
	assert_true(first >= 0);
	attempt_end(&attempt);
	(void)begin(state);
	within(150);
	assert_int_equal(attempt_connect_unix(&attempt, path), -1);
	assert_int_equal(result.error, PROBE_CONNECT_TIMEOUT);
	attempt_end(&attempt);
	(void)begin(state);
	assert_int_equal(pthread_create(&thread, NULL, accept_two, &listener), 0);
	second = attempt_connect_unix(&attempt, path);
	assert_true(second >= 0);
	pthread_join(thread, NULL);
	close(first);
	close(second);
	close(listener);
	unlink(path);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(a_number_is_connected_to_without_asking_anybody),
		TEST(where_nobody_listens_it_is_refused),
		TEST(what_cannot_be_reached_is_told_as_that),
		TEST(a_full_queue_is_waited_for_until_the_deadline_and_no_longer),
		TEST(a_dead_address_costs_only_its_share),
		TEST(an_address_that_refuses_costs_nothing_and_the_last_one_is_told),
		TEST(a_name_without_addresses_says_why),
		TEST(turns_share_what_is_left_and_end),
		TEST(no_turn_begins_when_the_time_is_over),
		TEST(a_unix_socket_is_connected_to_by_its_path),
		TEST(a_full_unix_socket_is_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
