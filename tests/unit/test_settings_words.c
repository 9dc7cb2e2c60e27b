/* SPDX-License-Identifier: Apache-2.0 */
/* What settings and commands are written in: addresses, options, guesses at misspelt words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/address.h"
#include "base/complaints.h"
#include "base/options.h"
#include "base/text.h"

static void addresses_in_every_form(void **state)
{
	static const struct {
		const char *text;
		int family;
		bool any, loopback;
		unsigned port;
	} rows[] = {
		{"127.0.0.1:8081", AF_INET, false, true, 8081},
		{"127.9.9.9:1", AF_INET, false, true, 1},
		{"localhost:8081", AF_INET, false, true, 8081},
		{"0.0.0.0:80", AF_INET, false, false, 80},
		{"10.0.0.1:0", AF_INET, false, false, 0},
		{"[::1]:8081", AF_INET6, false, true, 8081},
		{"[::]:65535", AF_INET6, false, false, 65535},
		{"[::ffff:127.0.0.1]:9", AF_INET6, false, true, 9},
		{"[2001:db8::1]:9", AF_INET6, false, false, 9},
		{":8081", AF_INET6, true, false, 8081},
		{"unix:/run/x.sock", AF_UNIX, false, false, 0},
	};
	struct address address;

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(address_parse(rows[i].text, &address, NULL, 0), 0);
		assert_int_equal(address.socket.ss_family, rows[i].family);
		assert_int_equal(address.any, rows[i].any);
		assert_int_equal(address_is_loopback(&address), rows[i].loopback);
		if (rows[i].family != AF_UNIX) /* the port is at the same place in both */
			assert_int_equal(
				ntohs(((struct sockaddr_in *)&address.socket)->sin_port), rows[i].port);
	}
	assert_string_equal(((struct sockaddr_un *)&address.socket)->sun_path, "/run/x.sock");
}

static void no_addresses(void **state)
{
	static const char *const texts[] = {"", "80", ":", "::", ":65536", ":-1", ":+1", ": 1", ":8o",
		":000080", "1.2.3:4", "1.2.3.4.5:6", "::1:80", "[::1]", "[::1]80", "[]:80", "[1.2.3.4]:80",
		"example.org:80", "unix:", "unix:x", "unix:/", "http://127.0.0.1:80", "127.0.0.1:80/",
		"[::1]:80:80", "1111111111111111111111111111111111111111111111111111111:80"};
	char why[320], path[200] = "unix:/";
	struct address address;

	(void)state;
	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (!address_parse(texts[i], &address, why, sizeof(why)))
			fail_msg("'%s' was taken", texts[i]);
		assert_non_null(strstr(why, "allowed: ADDR:PORT, [v6]:PORT, :PORT or unix:/path"));
	}
	memset(path + 6, 'x', 107);
	assert_true(address_parse(path, &address, why, sizeof(why)) < 0);
	path[112] = 0; /* 107 bytes with the slash: the most that fits */
	assert_int_equal(address_parse(path, &address, why, sizeof(why)), 0);
}

static void options_are_read_one_by_one(void **state)
{
	static const struct option_row rows[] = {{"name", OPTION_VALUE, "NAME", ""},
		{NULL, OPTION_VALUE, NULL, NULL}, {"all", OPTION_SWITCH, NULL, ""}};
	const char *const argv[] = {"x", "--name=", "--name", "-1", "--all", "--name=a=b", "--", "--all", NULL};
	struct option_reader reader = {.argc = 8, .argv = (char **)argv, .at = 1};

	(void)state;
	assert_int_equal(options_next(&reader, rows, 3), 0);
	assert_string_equal(reader.value, "");
	assert_int_equal(options_next(&reader, rows, 3), 0);
	assert_string_equal(reader.value, "-1");
	assert_int_equal(options_next(&reader, rows, 3), 2);
	assert_null(reader.value);
	assert_int_equal(options_next(&reader, rows, 3), 0);
	assert_string_equal(reader.value, "a=b");
	assert_int_equal(options_next(&reader, rows, 3), OPTIONS_END);
	assert_int_equal(reader.at, 7);
}

static void guesses(void **state)
{
	static const struct {
		const char *word, *best;
	} rows[] = {{"lisen", "listen"}, {"listne", "listen"}, {"Listen", "listen"},
		{"perdiodSeconds", "periodSeconds"}, {"drian", "drain"}, {"xyz", NULL}, {"", NULL},
		{"rnu", "run"}};
	static const char *const candidates[] = {"listen", "periodSeconds", "drain", "run"};
	char long_word[200];

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct text_nearest nearest = {.word = rows[i].word};

		for (unsigned j = 0; j < 4; j++)
			text_offer(&nearest, candidates[j]);
		if (rows[i].best)
			assert_string_equal(nearest.best, rows[i].best);
		else
			assert_null(nearest.best);
	}
	memset(long_word, 'x', sizeof(long_word) - 1);
	long_word[sizeof(long_word) - 1] = 0;
	text_offer(&(struct text_nearest){.word = long_word}, "listen");
}

static void sanitized(void **state)
{
	static const struct {
		const char *text, *clean;
	} rows[] = {{"a\x1b[2J\n\x7f", "a?[2J??"}, {"\xc3\xa4 \xe2\x82\xac", "\xc3\xa4 \xe2\x82\xac"},
		{"\xc2\x9b"
		 "1m",
			"?1m"},
		{"\xff\xc3", "??"}, {"", ""}};
	char text[64];

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		strcpy(text, rows[i].text);
		text_sanitize(text);
		assert_string_equal(text, rows[i].clean);
	}
}

static void summaries_fit_one_line(void **state)
{
	static struct complaints list;
	char out[64], tiny[8];

	(void)state;
	complaints_summarize(&list, out, sizeof(out));
	assert_string_equal(out, "");
	complaints_add(&list, "one");
	complaints_summarize(&list, out, sizeof(out));
	assert_string_equal(out, "one");
	for (int i = 0; i < 30; i++)
		complaints_add(&list, "more");
	complaints_summarize(&list, out, sizeof(out));
	assert_string_equal(out, "one (and 30 more)");
	complaints_summarize(&list, tiny, sizeof(tiny));
	assert_string_equal(tiny, "one (an");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_in_every_form),
		cmocka_unit_test(no_addresses),
		cmocka_unit_test(options_are_read_one_by_one),
		cmocka_unit_test(guesses),
		cmocka_unit_test(sanitized),
		cmocka_unit_test(summaries_fit_one_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
