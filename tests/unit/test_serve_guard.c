/* SPDX-License-Identifier: Apache-2.0 */
/* Who is sent away when connections run out or stay too long. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

#include "base/clock.h"
#include "serve/guard.h"

enum { MOST = 200 };

static struct guard guard;
static struct guest *guests[MOST];
static int ends[MOST][2]; /* [0] is the guest's, [1] the client's */
static unsigned arrived;

static int start(unsigned limit)
{
	arrived = 0;
	return guard_start(&guard, limit);
}

static int finish(void **state)
{
	(void)state;
	for (unsigned i = 0; i < arrived; i++) {
		(void)close(ends[i][0]);
		(void)close(ends[i][1]);
	}
	guard_stop(&guard);
	return 0;
}

/* Returns the number of the newcomer; `from` NULL: a unix peer. */
static unsigned arrive(const char *from, double seconds)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	const struct sockaddr *peer = NULL;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends[arrived]), 0);
	if (from && inet_pton(AF_INET, from, &v4.sin_addr) == 1)
		peer = (const struct sockaddr *)&v4;
	else if (from && inet_pton(AF_INET6, from, &v6.sin6_addr) == 1)
		peer = (const struct sockaddr *)&v6;
	guests[arrived] = guard_admit(&guard, ends[arrived][0], peer, (int64_t)(seconds * NS_PER_SECOND));
	return arrived++;
}

static void answer(unsigned who, double seconds)
{
	guard_touch(guests[who], (int64_t)(seconds * NS_PER_SECOND));
}

static unsigned reap(double seconds)
{
	return guard_reap(&guard, (int64_t)(seconds * NS_PER_SECOND));
}

/* The client's end sees it. */
static bool was_sent_away(unsigned who)
{
	char byte;

	return recv(ends[who][1], &byte, 1, MSG_DONTWAIT) == 0;
}

static void the_first_request_takes_ten_seconds_at_most(void **state)
{
	unsigned early, late;

	(void)state;
	assert_int_equal(start(100), 0);
	early = arrive("10.0.0.1", 0);
	late = arrive("10.0.0.1", 5);
	assert_int_equal(reap(9.9), 0);
	assert_int_equal(reap(10.1), 1);
	assert_true(was_sent_away(early));
	assert_false(was_sent_away(late));
	assert_int_equal(reap(10.2), 0); /* once */
}

static void a_scraper_may_idle_for_a_minute(void **state)
{
	unsigned scraper;

	(void)state;
	assert_int_equal(start(100), 0);
	scraper = arrive("10.0.0.1", 0);
	answer(scraper, 9);
	assert_int_equal(reap(60), 0);
	answer(scraper, 68);
	assert_int_equal(reap(127), 0);
	assert_int_equal(reap(129), 1);
	assert_true(was_sent_away(scraper));
}

static void a_newcomer_near_the_limit_takes_the_oldest_ones_place(void **state)
{
	(void)state;
	assert_int_equal(start(40), 0); /* margin 10 */
	for (int i = 0; i < 30; i++)
		(void)arrive(i % 2 ? "10.0.0.1" : "10.0.0.2", i * 0.001);
	assert_false(was_sent_away(0));
	(void)arrive("10.0.0.3", 1);
	assert_true(was_sent_away(0));
	assert_false(was_sent_away(1));
	(void)arrive("10.0.0.3", 1);
	assert_true(was_sent_away(1));
	assert_false(was_sent_away(2));
}

static void who_idles_after_an_answer_goes_first(void **state)
{
	unsigned scraper;

	(void)state;
	assert_int_equal(start(40), 0);
	for (int i = 0; i < 29; i++)
		(void)arrive("10.0.0.1", 0);
	scraper = arrive("10.0.0.2", 2);
	answer(scraper, 3);
	(void)arrive("10.0.0.3", 3.5); /* idle for half a second only: not yet polite */
	assert_false(was_sent_away(scraper));
	assert_true(was_sent_away(0));
	(void)arrive("10.0.0.3", 4.5);
	assert_true(was_sent_away(scraper));
	assert_false(was_sent_away(1));
}

static void a_client_with_too_many_makes_room_itself(void **state)
{
	unsigned other, own;

	(void)state;
	assert_int_equal(start(200), 0);
	other = arrive("10.0.0.9", 0);
	for (int i = 0; i < GUARD_PER_ADDRESS; i++)
		own = arrive("::ffff:10.0.0.1", 1 + i * 0.001);
	assert_false(was_sent_away(1));
	(void)arrive("10.0.0.1", 3); /* the same client, by IPv4 */
	assert_true(was_sent_away(1));
	assert_false(was_sent_away(other));
	assert_false(was_sent_away(own));
}

static void a_busy_client_may_have_more(void **state)
{
	(void)state;
	assert_int_equal(start(200), 0);
	for (int i = 0; i < GUARD_PER_ADDRESS + 20; i++)
		answer(arrive("10.0.0.1", 1), 1.5);
	for (unsigned i = 0; i < arrived; i++)
		assert_false(was_sent_away(i));
}

static void unix_peers_are_not_one_client(void **state)
{
	(void)state;
	assert_int_equal(start(200), 0);
	for (int i = 0; i < GUARD_PER_ADDRESS + 20; i++)
		(void)arrive(NULL, i * 0.1);
	for (unsigned i = 0; i < arrived; i++)
		assert_false(was_sent_away(i));
	assert_int_equal(guests[0]->kind, PEER_UNIX);
}

static void loopback_is_told_from_remote(void **state)
{
	static const struct {
		const char *from;
		enum peer_kind kind;
	} rows[] = {{"127.0.0.1", PEER_LOOPBACK}, {"127.9.9.9", PEER_LOOPBACK}, {"::1", PEER_LOOPBACK},
		{"::ffff:127.0.0.1", PEER_LOOPBACK}, {"128.0.0.1", PEER_REMOTE}, {"10.0.0.1", PEER_REMOTE},
		{"::2", PEER_REMOTE}, {"::ffff:10.0.0.1", PEER_REMOTE}, {"7f00:1::", PEER_REMOTE}};

	(void)state;
	assert_int_equal(start(100), 0);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_int_equal(guests[arrive(rows[i].from, 0)]->kind, rows[i].kind);
}

static void places_are_used_again(void **state)
{
	(void)state;
	assert_int_equal(start(8), 0);
	for (int round = 0; round < 20; round++) {
		unsigned who = arrive("10.0.0.1", round);

		assert_non_null(guests[who]);
		guard_dismiss(&guard, guests[who]);
	}
	assert_int_equal(guard.count, 0);
	assert_int_equal(guard.top, 0);
	for (int i = 0; i < 8; i++)
		assert_non_null(guests[arrive("10.0.0.1", 30)]);
	assert_null(guests[arrive("10.0.0.1", 30)]); /* more than the library lets in */
	for (int i = 20; i < 28; i++)
		guard_dismiss(&guard, guests[i]);
	assert_int_equal(guard.count, 0);
	assert_int_equal(guard.doomed, 0);
}

#define TEST(name) cmocka_unit_test_teardown(name, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_first_request_takes_ten_seconds_at_most),
		TEST(a_scraper_may_idle_for_a_minute),
		TEST(a_newcomer_near_the_limit_takes_the_oldest_ones_place),
		TEST(who_idles_after_an_answer_goes_first),
		TEST(a_client_with_too_many_makes_room_itself),
		TEST(a_busy_client_may_have_more),
		TEST(unix_peers_are_not_one_client),
		TEST(loopback_is_told_from_remote),
		TEST(places_are_used_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
