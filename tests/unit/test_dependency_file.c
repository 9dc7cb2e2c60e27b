/* SPDX-License-Identifier: Apache-2.0 */
/* `dependencies` of the file: what is taken, what is refused, and what a message of the prober must be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/dependency_set.h"
#include "base/dependency_table.h"
#include "base/probe_plan.h"

static struct complaints why;
static struct dependency_set *set;

static struct dependency_set *read_text(const char *text)
{
	static const char *const environment[] = {"PASSWORD=a/b@c", "PORT=99", NULL};
	struct config_document document;

	free(set);
	set = NULL;
	memset(&why, 0, sizeof(why));
	if (!config_read_text("f", text, strlen(text), environment, &document, &why))
		set = dependency_set_of(&document, &why);
	config_free(&document);
	return set;
}

static int end(void **state)
{
	(void)state;
	free(set);
	set = NULL;
	return 0;
}

static void the_contracts_example_is_taken(void **state)
{
	(void)state;
	assert_non_null(read_text("dependencies:\n"
		"  - {name: db, kind: postgres, url: \"postgresql://app@db/orders\", passwordFile: /etc/hostname, class: hard, role: primary}\n"
		"  - {name: cache, kind: redis, url: \"redis://cache:6379/0\", latencySeconds: 0.2}\n"
		"  - {name: jobs, kind: redis, url: \"redis://cache:6379/0\", command: \"LLEN jobs\", max: 1000, work: true}\n"
		"  - {name: events, kind: kafka, url: \"kafka:9092\", topic: healthcheck, produce: true, needs: dns}\n"
		"  - {name: auth, kind: http, url: \"http://auth:8081/readyz\", follow: true}\n"));
	assert_int_equal(set->count, 5);
	assert_int_equal(set->list[0].class, DEPENDENCY_HARD);
	assert_int_equal(set->list[0].role, ROLE_PRIMARY);
	assert_string_equal(set->list[0].at.user, "app");
	assert_int_equal(set->list[0].at.port, 5432);
	assert_string_equal(set->list[0].at.path, "/orders");
	assert_true(set->list[1].latency_seconds == 0.2);
	assert_string_equal(set->list[2].ask, "LLEN jobs");
	assert_true(set->list[2].has_max && set->list[2].max == 1000 && set->list[2].work && !set->list[2].has_min);
	assert_string_equal(set->list[3].at.host, "kafka");
	assert_int_equal(set->list[3].at.port, 9092);
	assert_string_equal(set->list[3].needs[0], "dns");
	assert_true(dependency_set_needs_lookup(set, &set->list[3]) && !dependency_set_needs_lookup(set, &set->list[4]));
	assert_true(set->list[4].follow && set->list[4].tls_verify);
}

static void urls(void **state)
{
	static const struct {
		enum dependency_kind kind;
		const char *url, *user, *password, *host;
		unsigned port;
		const char *path, *query;
		bool tls;
	} rows[] = {
		{DEPENDENCY_REDIS, "rediss://:p%40ss@h", "", "p@ss", "h", 6379, "", "", true},
		{DEPENDENCY_REDIS, "redis://a:b@c@h:1/3?x=y", "a", "b@c", "h", 1, "/3", "x=y", false},
		{DEPENDENCY_REDIS, "unix:///run/redis.sock", "", "", "", 0, "/run/redis.sock", "", false},
		{DEPENDENCY_HTTP, "https://h/a/b?c#d", "", "", "h", 443, "/a/b", "c", true},
		{DEPENDENCY_HTTP, "http://[::1]:8080", "", "", "::1", 8080, "", "", false},
		{DEPENDENCY_MONGODB, "mongodb://u:p@a:1,b:2,c/d", "u", "p", "a", 1, "/d", "", false},
		{DEPENDENCY_KAFKA, "a,b:1", "", "", "a", 9092, "", "", false},
		{DEPENDENCY_POSTGRES, "postgresql:///db?host=/run", "", "", "", 5432, "/db", "host=/run", false},
		{DEPENDENCY_TCP, "h:7", "", "", "h", 7, "", "", false},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct dependency_url at;
		char reason[256] = "";

		if (dependency_parse_url(rows[i].kind, rows[i].url, &at, reason, sizeof(reason)))
			fail_msg("%s: %s", rows[i].url, reason);
		assert_string_equal(at.user, rows[i].user);
		assert_string_equal(at.password, rows[i].password);
		assert_string_equal(at.host, rows[i].host);
		assert_int_equal(at.port, rows[i].port);
		assert_string_equal(at.path, rows[i].path);
		assert_string_equal(at.query, rows[i].query);
		assert_int_equal(at.tls, rows[i].tls);
	}
}

static void wrong_urls_are_refused_without_their_secret(void **state)
{
	static const char *const rows[] = {"redis://u:secret@", "redis://u:secret@h:0", "redis://u:secret@h:65536", "redis://u:secret@h:x",
		"redis://u:secret@h h", "redis://u:secret@[::1", "redis://u:secret@[x]", "http://u:secret@h", "redis://u:secret%zz@h",
		"redis://u:secret%00@h", "redis://u:secret@-h", "unix://u:secret@h/x"};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct dependency_url at;
		char reason[256] = "";

		if (!dependency_parse_url(DEPENDENCY_REDIS, rows[i], &at, reason, sizeof(reason)))
			fail_msg("taken: %s", rows[i]);
		assert_non_null(strstr(reason, "found '"));
		if (strstr(reason, "secret"))
			fail_msg("%s", reason);
	}
}

static void a_url_is_shown_without_its_secret(void **state)
{
	struct dependency of = {.url = "postgresql://app:secret@db:1/x?password=secret"};
	char text[256];

	(void)state;
	dependency_show_url(&of, text, sizeof(text));
	assert_string_equal(text, "postgresql://app@db:1/x");
}

static void variables_are_encoded_in_urls_only(void **state)
{
	(void)state;
	assert_non_null(read_text("dependencies: [{name: a, url: \"tcp://u:${PASSWORD}@h:${PORT}\", send: \"${PASSWORD}\"}]\n"));
	assert_string_equal(set->list[0].at.password, "a/b@c");
	assert_string_equal(set->list[0].at.host, "h");
	assert_int_equal(set->list[0].at.port, 99);
	assert_string_equal(set->list[0].send, "a/b@c");
}

static void what_is_refused(void **state)
{
	static const struct {
		const char *text, *complaint;
	} rows[] = {
		{"dependencies: 7\n", "f:1: dependencies: allowed: a list"},
		{"dependencies: [7]\n", "f:1: dependencies: allowed: a list"},
		{"dependencies: [{name: a}]\n", "f:1: dependency 'a': key 'kind' is missing"},
		{"dependencies:\n  - {kind: tcp, url: \"h:1\"}\n", "f:2: dependency: key 'name' is missing"},
		{"dependencies: [{name: a, kind: tcpp, url: \"h:1\"}]\n", "f:1: dependency 'a': kind: found 'tcpp', allowed: postgres"},
		{"dependencies: [{name: a, kind: tcp}]\n", "f:1: dependency 'a': key 'url' is missing"},
		{"dependencies: [{name: -a, kind: tcp, url: \"h:1\"}]\n", "f:1: dependency: name: found '-a'"},
		{"dependencies: [{name: stale, kind: tcp, url: \"h:1\"}]\n", "f:1: dependency 'stale': name: is a check of readyz already"},
		{"dependencies: [{name: a, kind: tcp, url: \"h:1\", topic: x}]\n", "f:1: dependency 'a': found key 'topic', allowed for kind tcp"},
		{"dependencies: [{name: a, kind: tcp, url: \"h:1\", klass: hard}]\n", "f:1: dependency 'a': found key 'klass' (did you mean 'class'?)"},
		{"dependencies: [{name: a, kind: tcp, url: \"h:1\", class: x}]\n", "f:1: dependency 'a': class: found 'x', allowed: soft, hard, info"},
		{"dependencies: [{name: a, kind: tcp, url: \"h:1\", latencySeconds: x}]\n", "f:1: dependency 'a': latencySeconds: found 'x'"},
		{"dependencies: [{name: a, kind: tcp, url: \"h:1\", latencySeconds: 3601}]\n", "f:1: dependency 'a': latencySeconds: found '3601'"},
		{"dependencies: [{name: a, kind: http, url: \"http://h\", max: \"1\"}]\n", "f:1: dependency 'a': max: found '1', allowed: a number"},
		{"dependencies: [{name: a, kind: http, url: \"http://h\", max: 1, min: 2}]\n", "f:1: dependency 'a': min is bigger than max"},
		{"dependencies: [{name: a, url: \"redis://h\", max: 1}]\n", "f:1: dependency 'a': min, max and work need the key 'command'"},
		{"dependencies: [{name: a, kind: http, url: \"http://h\", body: \"(\"}]\n", "f:1: dependency 'a': body: found '(', allowed: an ext"},
		{"dependencies: [{name: a, kind: http, url: \"http://h\", pointer: x}]\n", "f:1: dependency 'a': pointer: found 'x'"},
		{"dependencies: [{name: a, kind: http, url: \"http://h\", status: 99}]\n", "f:1: dependency 'a': status: found '99'"},
		{"dependencies: [{name: a, kind: http, url: \"http://h\", status: [200, 300-200]}]\n", "f:1: dependency 'a': status: found '300-200'"},
		{"dependencies: [{name: a, kind: http, url: \"http://h\", follow: 1}]\n", "f:1: dependency 'a': follow: found '1', allowed: true or"},
		{"dependencies: [{name: a, kind: exec}]\n", "f:1: dependency 'a': kind: key 'command' is missing beside it"},
		{"dependencies: [{name: a, kind: exec, command: x}]\n", "f:1: dependency 'a': command: found 'no list'"},
		{"dependencies: [{name: a, kind: redis, url: \"redis://h\", command: [x]}]\n", "f:1: dependency 'a': command: found 'a list'"},
		{"dependencies: [{name: a, kind: redis, url: \"redis://h\", passwordFile: /no/no}]\n", "f:1: dependency 'a': passwordFile: '/no/no' cannot"},
		{"dependencies: [{name: a, kind: tcp, url: \"h:1\", needs: b}]\n", "f:1: dependency 'a': needs: there is no dependency 'b'"},
		{"dependencies: [{name: a, kind: tcp, url: \"h:1\", needs: a}]\n", "f:1: dependency 'a': needs: leads back to itself"},
		{"dependencies: [{name: a, kind: tcp, url: \"h:1\", needs: {}}]\n", "f:1: dependency 'a': needs: found 'keys'"},
		{"dependencies: [{name: a, kind: tcp, url: \"h:1\", group: g}]\n", "f:1: dependency 'a': group: is none of `groups`"},
		{"groups: {g: {atLeast: 1}}\n", "f:1: groups: 'g' has 0 members"},
		{"groups: {g: {atLeast: x}}\n", "f:1: groups: 'g': atLeast: found 'x', allowed: {atLeast: N}, N from 1 to 256"},
		{"groups: {g: {atLeast: 0}}\ndependencies: [{name: a, kind: tcp, url: \"h:1\", group: g}]\n",
			"f:1: groups: 'g': atLeast: found '0', allowed"},
		{"groups: {g: {atLeast: 257}}\n", "f:1: groups: 'g': atLeast: found '257', allowed"},
		{"groups: {g: {atLeast: 1, atMost: 2}}\n", "f:1: groups: 'g': atLeast: found '1', allowed: {atLeast: N}"},
		{"groups: {g: {}}\n", "f:1: groups: 'g': atLeast: found 'nothing', allowed"},
		{"groups: {g: 2}\n", "f:1: groups: 'g': atLeast: found 'nothing', allowed"},
		{"groups: [g]\n", "f:1: groups: allowed: NAME: {atLeast: N}"},
		{"dependencies: [{name: a, kind: tcp, url: \"${NOPE}\"}]\n", "f:1: found '${NOPE}', but that variable is not set"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (read_text(rows[i].text) || why.count < 1 || strncmp(why.text[0], rows[i].complaint, strlen(rows[i].complaint)))
			fail_msg("%s said %s", rows[i].text, why.count ? why.text[0] : "nothing");
	}
}

static void long_circles_are_found(void **state)
{
	(void)state;
	assert_null(read_text("dependencies:\n"
		"  - {name: a, kind: tcp, url: \"h:1\", needs: b}\n"
		"  - {name: b, kind: tcp, url: \"h:1\", needs: [c, d]}\n"
		"  - {name: c, kind: tcp, url: \"h:1\"}\n"
		"  - {name: d, kind: tcp, url: \"h:1\", needs: a}\n"));
	assert_int_equal(why.count, 1);
	assert_string_equal(why.text[0], "f:2: dependency 'a': needs: leads back to itself");
}

static void readings_of_one_text_agree(void **state)
{
	static const char text[] = "dependencies: [{name: a, kind: tcp, url: \"h:1\"}]\n";
	uint64_t epoch, identity;

	(void)state;
	epoch = read_text(text)->epoch;
	identity = dependency_identity(&set->list[0]);
	assert_true(read_text(text)->epoch == epoch);
	assert_true(read_text("dependencies: [{name: a, kind: tcp, url: \"h:2\"}]\n")->epoch != epoch);
	assert_true(read_text("# moved\ndependencies: [{name: a, kind: tcp, url: \"h:1\", class: hard}]\n")->epoch != epoch);
	assert_true(dependency_identity(&set->list[0]) == identity); /* the same question: its connection stays */
	assert_true(dependency_set_check(set, set->bytes));
	assert_false(dependency_set_check(set, set->bytes - 1));
}

static void every_kind_has_a_row_and_every_text_a_word(void **state)
{
	(void)state;
	for (unsigned i = 0; i < DEPENDENCY_KINDS; i++) {
		assert_non_null(dependency_kinds[i].name);
		assert_int_equal(dependency_kind_named(dependency_kinds[i].name), i);
	}
	for (unsigned i = 0; i < PROBE_ERRORS; i++)
		assert_non_null(probe_error_text((enum probe_error)i));
	for (unsigned i = 0; i < PHASES; i++)
		assert_non_null(probe_phase_text((enum probe_phase)i));
	assert_null(probe_error_text(PROBE_ERRORS));
	assert_int_equal(dependency_kind_of_url("http://h"), DEPENDENCY_HTTP);
	assert_int_equal(dependency_kind_of_url("unix:///x"), DEPENDENCY_TCP);
	assert_int_equal(dependency_kind_of_url("nothing://h"), DEPENDENCY_KINDS);
}

static void messages_of_the_prober_are_checked(void **state)
{
	const struct probe_result good = {.version = PROBE_WIRE_VERSION, .epoch = 7, .dependency = 1, .status = PROBE_DOWN,
		.error = PROBE_TIMEOUT, .began = 1, .ended = 2};
	struct probe_result one = good;

	(void)state;
	assert_true(probe_result_check(&one, sizeof(one), 7, 2));
#define REFUSED(change)                                                                                        \
	do {                                                                                                   \
		one = good;                                                                                    \
		change;                                                                                        \
		assert_false(probe_result_check(&one, sizeof(one), 7, 2));                                     \
	} while (0)
	REFUSED(one.version++);
	REFUSED(one.epoch++);
	REFUSED(one.dependency = 2);
	REFUSED(one.status = PROBE_UNKNOWN);
	REFUSED(one.status = PROBE_STATUSES);
	REFUSED(one.error = PROBE_ERRORS);
	REFUSED(one.error = PROBE_OK);
	REFUSED(one.status = PROBE_UP);
	REFUSED(one.ended = 0);
	REFUSED(one.began = -1);
	REFUSED(one.phase_ns[PHASE_ASK] = INT64_MIN);
	REFUSED(one.has_value = 2);
	REFUSED(one.has_value = 1; one.value = NAN);
	one = good;
	assert_false(probe_result_check(&one, sizeof(one) - 1, 7, 2));
	memset(one.detail, 0xff, sizeof(one.detail));
	memset(one.root, '\n', sizeof(one.root));
	assert_true(probe_result_check(&one, sizeof(one), 7, 2));
	assert_int_equal(strlen(one.detail), sizeof(one.detail) - 1);
	assert_int_equal(one.root[0], '?');
}

#define TEST(name) cmocka_unit_test_teardown(name, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_contracts_example_is_taken),
		TEST(urls),
		TEST(wrong_urls_are_refused_without_their_secret),
		TEST(a_url_is_shown_without_its_secret),
		TEST(variables_are_encoded_in_urls_only),
		TEST(what_is_refused),
		TEST(long_circles_are_found),
		TEST(readings_of_one_text_agree),
		TEST(every_kind_has_a_row_and_every_text_a_word),
		TEST(messages_of_the_prober_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
