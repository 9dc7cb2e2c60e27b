/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/config.h"

static const char *const environment[] = {"PORT=8080", "EMPTY=", "PORTAL=no", "A=x$B", NULL};

static struct complaints why;

static int read_text(const char *text, struct config_document *out)
{
	memset(&why, 0, sizeof(why));
	return config_read_text("f", text, strlen(text), environment, out, &why);
}

static void tree_has_keys_lines_and_kinds(void **state)
{
	struct config_document document;
	const struct config_node *node;

	(void)state;
	assert_int_equal(read_text("a: 1\nb:\n  - x\n  - 'y'\nc: {d: \"e\"}\n", &document), 0);
	node = document.root->first;
	assert_string_equal(node->key, "a");
	assert_string_equal(node->text, "1");
	assert_false(node->quoted);
	node = node->next;
	assert_int_equal(node->kind, CONFIG_LIST);
	assert_int_equal(node->line, 2);
	assert_string_equal(node->first->next->text, "y");
	assert_true(node->first->next->quoted);
	assert_int_equal(node->first->next->line, 4);
	node = node->next;
	assert_int_equal(node->kind, CONFIG_MAP);
	assert_string_equal(node->first->key, "d");
	config_free(&document);
}

static void json_is_yaml(void **state)
{
	struct config_document document;

	(void)state;
	assert_int_equal(read_text("{\"a\": [1, 2], \"b\": null}", &document), 0);
	assert_true(config_is_null(document.root->first->next));
	config_free(&document);
}

static void a_file_may_say_nothing(void **state)
{
	static const char *const texts[] = {"", "\n", "# only this\n", "---\n", "~"};
	struct config_document document;

	(void)state;
	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(read_text(texts[i], &document), 0);
		assert_true(!document.root || config_is_null(document.root));
		config_free(&document);
	}
}

static void variables_are_expanded(void **state)
{
	static const struct {
		const char *text, *expanded;
	} rows[] = {
		{"${PORT}", "8080"},
		{":${PORT}/x", ":8080/x"},
		{"${NOPE:-7}", "7"},
		{"${NOPE:-}", ""},
		{"${EMPTY:-7}", "7"},
		{"${EMPTY}", ""},
		{"$$5", "$5"},
		{"$${PORT}", "${PORT}"},
		{"${A}", "x$B"}, /* once, not again */
		{"plain", "plain"},
	};
	char out[CONFIG_TEXT], reason[256];

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(config_expand(rows[i].text, environment, out, reason, sizeof(reason)), 0);
		assert_string_equal(out, rows[i].expanded);
	}
}

static void bad_references_are_refused(void **state)
{
	static const struct {
		const char *text, *reason;
	} rows[] = {
		{"${NOPE}", "not set"},
		{"$PORT", "allowed"},
		{"x$", "allowed"},
		{"${PORT", "allowed"},
		{"${}", "allowed"},
		{"${9A}", "allowed"},
		{"${PORT-1}", "allowed"},
		{"${X:-${PORT}}", "default cannot hold"},
	};
	char out[CONFIG_TEXT], reason[256];

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(config_expand(rows[i].text, environment, out, reason, sizeof(reason)) < 0);
		assert_non_null(strstr(reason, rows[i].reason));
	}
}

static void expansion_is_bounded(void **state)
{
	static char variable[CONFIG_TEXT + 8] = "BIG=", out[CONFIG_TEXT], reason[256];
	const char *const big[] = {variable, NULL};

	(void)state;
	memset(variable + 4, 'x', CONFIG_TEXT - 1);
	assert_int_equal(config_expand("${BIG}", big, out, reason, sizeof(reason)), 0);
	assert_true(config_expand("${BIG}x", big, out, reason, sizeof(reason)) < 0);
}

/* Complaints in the order of the reader; NULL ends. */
static void what_is_refused(void **state)
{
	static const struct {
		const char *text, *complaints[3];
	} rows[] = {
		{"a: 1\nb: 2\na: 3\n", {"f:3: found key 'a' twice, first in line 1"}},
		{"a: &x 1\nb: *x\n", {"f:1: found an anchor", "f:2: found an alias"}},
		{"a: !!str 1\n", {"f:1: found a tag"}},
		{"a: 1\n---\nb: 2\n", {"f:2: found a second document"}},
		{"? [a]\n: 1\n", {"f:1: found a key that is not a plain word"}},
		{"a: {b: 1\n", {"f:2: not valid YAML"}},
		{"a:\n\tb: 1\n", {"f:2: not valid YAML: found character that cannot start any token while "
				  "scanning for the "
				  "next token (a tab: YAML is indented by spaces)"}},
		{"a: \"\\0\"\n", {"f:1: found a zero byte"}},
		{"a: ${NOPE}\nb: ${NOPE}\n", {"f:1: found '${NOPE}'", "f:2: found '${NOPE}'"}},
		{"a: [[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]\n", {"f:1: nested deeper than 16 levels"}},
	};
	struct config_document document;

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned count = 0;

		assert_true(read_text(rows[i].text, &document) < 0);
		for (; rows[i].complaints[count]; count++)
			assert_int_equal(strncmp(why.text[count], rows[i].complaints[count],
						 strlen(rows[i].complaints[count])),
				0);
		assert_int_equal(why.count, count);
		config_free(&document);
	}
}

static void too_many_values_are_refused(void **state)
{
	static char text[CONFIG_NODES * 2 + 16] = "[";
	struct config_document document;

	(void)state;
	for (unsigned i = 0; i < CONFIG_NODES; i++)
		strcat(text + i, "1,");
	strcat(text, "]");
	assert_true(read_text(text, &document) < 0);
	assert_string_equal(why.text[0], "f:1: more than 8192 values");
	config_free(&document);
}

static void quoted_references_may_be_numbers(void **state)
{
	struct config_document document;

	(void)state;
	assert_int_equal(read_text("{a: \"${PORT}\", b: \"8080\"}", &document), 0);
	assert_false(document.root->first->quoted);
	assert_true(document.root->first->next->quoted);
	config_free(&document);
}

/* Writes `bytes` of `text` into a file and reads it: the first complaint, or "". */
static const char *complaint_of_file(const char *text, size_t bytes)
{
	char path[] = "/tmp/ls-config-XXXXXX";
	int fd = mkstemp(path);
	struct config_document document;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, bytes), bytes);
	close(fd);
	memset(&why, 0, sizeof(why));
	(void)config_read_file(path, environment, &document, &why);
	config_free(&document);
	unlink(path);
	return why.count ? why.text[0] + strlen(path) : "";
}

static void files_are_looked_at_first(void **state)
{
	static char big[CONFIG_BYTES + 1];
	struct config_document document;

	(void)state;
	memset(big, '#', sizeof(big));
	assert_string_equal(complaint_of_file(big, CONFIG_BYTES), "");
	assert_string_equal(complaint_of_file(big, sizeof(big)), ": bigger than 1 MiB");
	assert_string_equal(complaint_of_file("\xef\xbb\xbf"
					      "a: 1\n",
				    8),
		"");
	assert_string_equal(
		complaint_of_file("a: 1\nb: \xff\n", 10), ":2: found byte 0xff, allowed: UTF-8 text");
	assert_string_equal(complaint_of_file("a: \x1b[2J\n", 8), ":1: found byte 0x1b, allowed: UTF-8 text");
	assert_string_equal(complaint_of_file("a: \0\n", 5), ":1: found byte 0x00, allowed: UTF-8 text");
	memset(&why, 0, sizeof(why));
	assert_true(config_read_file("/nonexistent", environment, &document, &why) < 0);
	assert_true(config_read_file("/tmp", environment, &document, &why) < 0);
	assert_true(config_read_file("/dev/null", environment, &document, &why) < 0);
	assert_string_equal(why.text[0], "/nonexistent: cannot be read (No such file or directory)");
	assert_string_equal(why.text[1], "/tmp: cannot be read (Is a directory)");
	assert_string_equal(why.text[2], "/dev/null: not a regular file");
}

static void variables_are_found_by_whole_name(void **state)
{
	(void)state;
	assert_string_equal(config_variable(environment, "PORT"), "8080");
	assert_null(config_variable(environment, "POR"));
	assert_null(config_variable(NULL, "PORT"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tree_has_keys_lines_and_kinds),
		cmocka_unit_test(json_is_yaml),
		cmocka_unit_test(a_file_may_say_nothing),
		cmocka_unit_test(variables_are_expanded),
		cmocka_unit_test(bad_references_are_refused),
		cmocka_unit_test(expansion_is_bounded),
		cmocka_unit_test(what_is_refused),
		cmocka_unit_test(too_many_values_are_refused),
		cmocka_unit_test(quoted_references_may_be_numbers),
		cmocka_unit_test(files_are_looked_at_first),
		cmocka_unit_test(variables_are_found_by_whole_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
