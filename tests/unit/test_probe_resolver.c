/* SPDX-License-Identifier: Apache-2.0 */
/* Names: what is kept and for how long, and what happens while nobody answers. Asked is a server of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ares.h>
#include <sys/stat.h>

#include "unit/probe_names.h"

static struct name_server server, other;
static struct name_server *_Atomic asked_server = &server; /* what resolv.conf would say */
static _Atomic long changed;				   /* its mtime */

static int init_options(ares_channel *channel, struct ares_options *options, int mask)
{
	struct name_server *chosen = asked_server;
	struct ares_addr_port_node at = {.family = AF_INET, .udp_port = chosen->port, .tcp_port = chosen->port};
	int status = ares_init_options(channel, options, mask);

	at.addr.addr4.s_addr = htonl(INADDR_LOOPBACK);
	return status ? status : ares_set_servers_ports(*channel, &at);
}

static int stat_configured(const char *path, struct stat *out)
{
	(void)path;
	*out = (struct stat){.st_mtim.tv_sec = changed};
	return 0;
}

#define ares_init_options init_options
#define stat(path, out) stat_configured(path, out)
#include "probe/resolver.c" /* in place of the room's */
#undef stat
#undef ares_init_options

static struct zone_row rows[] = {
	{.name = "three.example", .four = 3, .first = 10, .ttl = 60},
	{.name = "both.example", .four = 2, .six = 1, .first = 20, .ttl = 60},
	{.name = "twelve.example", .four = 12, .first = 30, .ttl = 60},
	{.name = "short.example", .four = 1, .first = 40, .ttl = 0},
	{.name = "long.example", .four = 1, .first = 41, .ttl = 86400},
	{.name = "absurd.example", .four = 1, .first = 42, .ttl = 0xffffffff},
	{.name = "kept.example", .four = 1, .first = 50, .ttl = 60},
	{.name = "again.example", .four = 1, .first = 51, .ttl = 60},
	{.name = "gone.example", .four = 1, .first = 52, .ttl = 60},
	{.name = "empty.example", .ttl = 60},
	{.name = "ill.example", .ttl = 60, .rcode = RCODE_SERVFAIL},
	{.name = "refused.example", .ttl = 60, .rcode = RCODE_REFUSED},
	{.name = "shared.example", .four = 2, .first = 60, .ttl = 60},
};
static struct zone_row other_rows[] = {
	{.name = "moved.example", .four = 1, .first = 90, .ttl = 60},
	{.name = "wakes.example", .four = 1, .first = 91, .ttl = 60},
};

static struct attempt_address found[ATTEMPT_ADDRESSES];
static unsigned count;
static char why[80];

static enum resolver_answer ask_for(const char *host, int64_t ms)
{
	count = 0;
	*why = '\0';
	return resolver_ask(host, clock_mono_ns() + ms * NS_PER_MS, found, &count, why, sizeof(why));
}

/* The last number of an IPv4 address, 0 of another. */
static unsigned number_of(const struct attempt_address *at)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&at->address;

	return at->address.ss_family == AF_INET ? ntohl(v4->sin_addr.s_addr) & 255 : 0;
}

static void each_question_begins_with_another_address(void **state)
{
	unsigned first[4];

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(ask_for("three.example", 20000), RESOLVER_GOOD);
		assert_int_equal(count, 3);
		first[i] = number_of(&found[0]);
		assert_in_range(first[i], 10, 12);
		assert_int_equal(first[i] + number_of(&found[1]) + number_of(&found[2]), 33);
		assert_int_equal(found[0].length, sizeof(struct sockaddr_in));
		assert_int_equal(((struct sockaddr_in *)&found[0].address)->sin_port, 0);
	}
	assert_true(first[0] != first[1] && first[1] != first[2] && first[0] != first[2] && first[0] == first[3]);
	assert_int_equal(name_server_row(&server, "three.example").asked, 1); /* once for all of that */
}

static void the_family_that_comes_first_stays_in_front(void **state)
{
	unsigned family;

	(void)state;
	assert_int_equal(ask_for("both.example", 20000), RESOLVER_GOOD);
	assert_int_equal(count, 3);
	family = found[0].address.ss_family;
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(ask_for("both.example", 20000), RESOLVER_GOOD);
		assert_int_equal(found[0].address.ss_family, family);
		assert_int_equal(number_of(&found[0]) + number_of(&found[1]) + number_of(&found[2]), 41);
	}
}

static void no_more_addresses_than_there_is_room_for(void **state)
{
	(void)state;
	assert_int_equal(ask_for("twelve.example", 20000), RESOLVER_GOOD);
	assert_int_equal(count, ATTEMPT_ADDRESSES);
}

static const struct name *entry(const char *host)
{
	for (unsigned i = 0; i < RESOLVER_NAMES; i++)
		if (!strcmp(resolver.names[i].host, host))
			return &resolver.names[i];
	fail_msg("%s is not kept", host);
	return NULL;
}

/* For how long after `since`, when it had not been asked for yet. */
static int64_t fresh_for(const char *host, int64_t since)
{
	int64_t until;

	(void)pthread_mutex_lock(&resolver.lock);
	until = entry(host)->fresh_until;
	(void)pthread_mutex_unlock(&resolver.lock);
	return until - since;
}

static void an_answer_is_kept_for_its_ttl_within_reason(void **state)
{
	int64_t before = clock_mono_ns(), until = before + 20 * NS_PER_SECOND;

	(void)state;
	assert_int_equal(ask_for("long.example", 20000), RESOLVER_GOOD);
	assert_int_equal(ask_for("absurd.example", 20000), RESOLVER_GOOD);
	assert_int_equal(ask_for("short.example", 20000), RESOLVER_GOOD);
	assert_true(fresh_for("long.example", before) >= 60 * NS_PER_SECOND);
	assert_true(fresh_for("long.example", clock_mono_ns()) <= 60 * NS_PER_SECOND);
	assert_true(fresh_for("absurd.example", before) >= NS_PER_SECOND);
	assert_true(fresh_for("absurd.example", clock_mono_ns()) <= 60 * NS_PER_SECOND);
	assert_true(fresh_for("short.example", before) >= NS_PER_SECOND); /* a second for none: not each question a packet */
	assert_true(fresh_for("short.example", clock_mono_ns()) <= NS_PER_SECOND);
	while (name_server_row(&server, "short.example").asked < 2 && clock_mono_ns() < until)
		assert_int_equal(ask_for("short.example", 20000), RESOLVER_GOOD);
	assert_int_equal(name_server_row(&server, "short.example").asked, 2);
}

static void the_last_good_answer_is_kept_while_nobody_answers(void **state)
{
	int64_t until = clock_mono_ns() + 30 * NS_PER_SECOND, least = INT64_MAX, before;
	unsigned packets;

	(void)state;
	assert_int_equal(ask_for("kept.example", 20000), RESOLVER_GOOD);
	name_server_mute(&server, true);
	name_server_set(&server, "kept.example", 55, 1, 0);
	resolver_doubt("kept.example");
	packets = server.all;
	before = clock_mono_ns();
	assert_int_equal(ask_for("kept.example", 20000), RESOLVER_GOOD);
	assert_true(clock_mono_ns() - before < 15 * NS_PER_SECOND); /* a third of a second, on a machine that has time */
	assert_int_equal(number_of(&found[0]), 50);
	for (unsigned i = 0; i < 8; i++) { /* nobody waits anew for what is asked already */
		before = clock_mono_ns();
		assert_int_equal(ask_for("kept.example", 20000), RESOLVER_GOOD);
		if (clock_mono_ns() - before < least)
			least = clock_mono_ns() - before;
	}
	assert_true(least < 200 * NS_PER_MS);
	assert_true(server.all - packets <= 16); /* A and AAAA, each tried twice, and not for each question */
	name_server_mute(&server, false);
	while (number_of(&found[0]) != 55 && clock_mono_ns() < until)
		assert_int_equal(ask_for("kept.example", 20000), RESOLVER_GOOD);
	assert_int_equal(number_of(&found[0]), 55);
}

static void an_unknown_name_is_waited_for_until_the_deadline(void **state)
{
	int64_t before = clock_mono_ns();

	(void)state;
	name_server_mute(&server, true);
	assert_int_equal(ask_for("again.example", 150), RESOLVER_SILENT);
	assert_in_range((clock_mono_ns() - before) / NS_PER_MS, 149, 10000);
	assert_string_equal(why, "no name server has answered");
	name_server_mute(&server, false);
	while (ask_for("again.example", 3000) != RESOLVER_GOOD && clock_mono_ns() - before < 30 * NS_PER_SECOND)
		;
	assert_int_equal(number_of(&found[0]), 51);
}

static void a_name_that_is_gone_is_gone_and_may_come_back(void **state)
{
	int64_t until = clock_mono_ns() + 30 * NS_PER_SECOND;

	(void)state;
	assert_int_equal(ask_for("gone.example", 20000), RESOLVER_GOOD);
	name_server_set(&server, "gone.example", 52, 0, RCODE_NXDOMAIN);
	resolver_doubt("gone.example");
	assert_int_equal(ask_for("gone.example", 20000), RESOLVER_NO_NAME);
	assert_int_equal(ask_for("gone.example", 20000), RESOLVER_NO_NAME);
	name_server_mute(&server, true);
	assert_int_equal(ask_for("gone.example", 400), RESOLVER_SILENT); /* the last good ones are no longer */
	name_server_mute(&server, false);
	name_server_set(&server, "gone.example", 53, 1, 0);
	while (ask_for("gone.example", 20000) != RESOLVER_GOOD && clock_mono_ns() < until) /* that there is none is not kept */
		;
	assert_int_equal(number_of(&found[0]), 53);
	assert_int_equal(ask_for("never.example", 20000), RESOLVER_NO_NAME);
	assert_int_equal(ask_for("empty.example", 20000), RESOLVER_NO_NAME);
}

static void a_server_that_cannot_tell_is_another_thing_than_no_name(void **state)
{
	(void)state;
	assert_int_equal(ask_for("ill.example", 20000), RESOLVER_FAILED);
	assert_true(*why);
	assert_int_equal(ask_for("refused.example", 20000), RESOLVER_FAILED);
	name_server_set(&server, "ill.example", 54, 1, 0);
	assert_int_equal(ask_for("ill.example", 20000), RESOLVER_GOOD);
	name_server_set(&server, "ill.example", 54, 1, RCODE_SERVFAIL);
	resolver_doubt("ill.example");
	assert_int_equal(ask_for("ill.example", 20000), RESOLVER_GOOD); /* what is known stays */
	assert_int_equal(number_of(&found[0]), 54);
}

static void a_new_resolv_conf_is_asked_also_for_what_is_on_its_way(void **state)
{
	int64_t until = clock_mono_ns() + 30 * NS_PER_SECOND;

	(void)state;
	name_server_mute(&server, true);
	assert_int_equal(ask_for("moved.example", 50), RESOLVER_SILENT);
	asked_server = &other;
	changed++;
	assert_int_equal(ask_for("wakes.example", 20000), RESOLVER_GOOD);
	assert_int_equal(number_of(&found[0]), 91);
	while (!name_server_row(&other, "moved.example").asked && clock_mono_ns() < until)
		(void)poll(NULL, 0, 5);
	assert_int_equal(name_server_row(&other, "moved.example").asked, 1); /* though nobody asked for it again */
	assert_int_equal(ask_for("moved.example", 20000), RESOLVER_GOOD);
	assert_int_equal(number_of(&found[0]), 90);
	assert_int_equal(name_server_row(&other, "moved.example").asked, 1);
	name_server_mute(&server, false);
	asked_server = &server;
	changed++;
}

/* ---- many */

static void *ask_often(void *wrong)
{
	struct attempt_address list[ATTEMPT_ADDRESSES];
	char text[80], name[64];
	unsigned got;

	for (unsigned i = 0; i < 200; i++) {
		(void)snprintf(name, sizeof(name), i % 4 ? "shared.example" : "n%u.many", i % 16);
		if (resolver_ask(name, clock_mono_ns() + 30 * NS_PER_SECOND, list, &got, text, sizeof(text)) != RESOLVER_GOOD ||
			got != (i % 4 ? 2 : 1) || number_of(&list[0]) != (i % 4 ? number_of(&list[0]) & 1 ? 61U : 60U : 77U))
			++*(_Atomic unsigned *)wrong;
		if (i % 16 == 0)
			resolver_doubt("shared.example");
	}
	return NULL;
}

static void many_threads_ask_at_once(void **state)
{
	_Atomic unsigned wrong = 0;
	pthread_t threads[8];

	(void)state;
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask_often, &wrong), 0);
	for (unsigned i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(wrong, 0);
	assert_in_range(name_server_row(&server, "shared.example").asked, 1, 8 * 200 / 16 + 1); /* once for all who wait */
}

static void the_longest_unused_name_is_forgotten(void **state)
{
	char name[64];
	unsigned kept = 0;

	(void)state;
	for (unsigned i = 0; i < RESOLVER_NAMES + 100; i++) {
		(void)snprintf(name, sizeof(name), "n%u.many", i);
		assert_int_equal(ask_for(name, 20000), RESOLVER_GOOD);
		if (i % 50 == 0)
			assert_int_equal(ask_for("three.example", 20000), RESOLVER_GOOD); /* this one is used */
	}
	assert_int_equal(name_server_row(&server, "three.example").asked, 1);
	for (unsigned i = 0; i < RESOLVER_NAMES; i++)
		kept += !strcmp(resolver.names[i].host, "n0.many");
	assert_int_equal(kept, 0);
}

static void a_name_for_which_there_is_no_room_is_refused(void **state)
{
	char name[400];

	(void)state;
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(ask_for(name, 100), RESOLVER_FAILED);
	name_server_mute(&server, true);
	for (unsigned i = 0; i < RESOLVER_NAMES; i++) {
		(void)snprintf(name, sizeof(name), "m%u.many", i);
		assert_int_equal(ask_for(name, 0), RESOLVER_SILENT); /* is being asked from now on */
	}
	assert_int_equal(ask_for("one.too.many", 0), RESOLVER_FAILED);
	assert_string_equal(why, "too many names are looked up");
	assert_int_equal(ask_for("m7.many", 0), RESOLVER_SILENT);
	name_server_mute(&server, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_question_begins_with_another_address),
		cmocka_unit_test(the_family_that_comes_first_stays_in_front),
		cmocka_unit_test(no_more_addresses_than_there_is_room_for),
		cmocka_unit_test(an_answer_is_kept_for_its_ttl_within_reason),
		cmocka_unit_test(the_last_good_answer_is_kept_while_nobody_answers),
		cmocka_unit_test(an_unknown_name_is_waited_for_until_the_deadline),
		cmocka_unit_test(a_name_that_is_gone_is_gone_and_may_come_back),
		cmocka_unit_test(a_server_that_cannot_tell_is_another_thing_than_no_name),
		cmocka_unit_test(a_new_resolv_conf_is_asked_also_for_what_is_on_its_way),
		cmocka_unit_test(many_threads_ask_at_once),
		cmocka_unit_test(the_longest_unused_name_is_forgotten),
		cmocka_unit_test(a_name_for_which_there_is_no_room_is_refused),
	};

	name_server_start(&server, rows, sizeof(rows) / sizeof(*rows));
	name_server_start(&other, other_rows, sizeof(other_rows) / sizeof(*other_rows));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
