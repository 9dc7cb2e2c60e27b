/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers, UTF-8 and JSON: every byte that goes in comes out as valid JSON, or not at all. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/utf8.h"

static struct buf out;
static struct json json;

static int start(void **state)
{
	(void)state;
	buf_start(&out, 4096);
	json_start(&json, &out);
	return 0;
}

static int finish(void **state)
{
	(void)state;
	buf_free(&out);
	return 0;
}

static void strings_are_escaped(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{"", "\"\""},
		{"plain", "\"plain\""},
		{"a\"b\\c", "\"a\\\"b\\\\c\""},
		{"\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\""},
		{"\x01\x1f", "\"\\u0001\\u001f\""},
		{"\x7f", "\"\x7f\""},
		{"/", "\"/\""},
		{"é€😀", "\"é€😀\""},
		{"\xff" "a", "\"" UTF8_REPLACEMENT "a\""},
		{"\xc3", "\"" UTF8_REPLACEMENT "\""},
		{"\xe2\x82", "\"" UTF8_REPLACEMENT UTF8_REPLACEMENT "\""},
		{"\xc0\xaf", "\"" UTF8_REPLACEMENT UTF8_REPLACEMENT "\""},
		{"\xed\xa0\x80", "\"" UTF8_REPLACEMENT UTF8_REPLACEMENT UTF8_REPLACEMENT "\""},
		{"\xf4\x90\x80\x80", "\"" UTF8_REPLACEMENT UTF8_REPLACEMENT UTF8_REPLACEMENT UTF8_REPLACEMENT "\""},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		assert_int_equal(start(state), 0);
		json_text(&json, NULL, rows[i].in);
		assert_string_equal(out.data, rows[i].out);
		assert_int_equal(finish(state), 0);
	}
}

static void utf8_takes_whole_characters_only(void **state)
{
	static const struct {
		const char *text;
		size_t left, bytes;
	} rows[] = {{"a", 1, 1}, {"é", 2, 2}, {"é", 1, 0}, {"€", 3, 3}, {"€", 2, 0}, {"😀", 4, 4}, {"😀", 3, 0}, {"", 0, 0},
		{"\x80", 1, 0}, {"\xf8\x88\x80\x80\x80", 5, 0}, {"\xe0\x80\x80", 3, 0}, {"\xf0\x80\x80\x80", 4, 0},
		{"\xf4\x8f\xbf\xbf", 4, 4}, {"\xed\x9f\xbf", 3, 3}};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_int_equal(utf8_character(rows[i].text, rows[i].left), rows[i].bytes);
}

static void commas_stand_between_elements_only(void **state)
{
	(void)state;
	json_object(&json, NULL);
	json_int(&json, "a", -9223372036854775807LL - 1);
	json_array(&json, "b");
	json_array_end(&json);
	json_array(&json, "c");
	json_uint(&json, NULL, UINT64_MAX);
	json_object(&json, NULL);
	json_object_end(&json);
	json_bool(&json, NULL, true);
	json_null(&json, NULL);
	json_array_end(&json);
	json_bool(&json, "d\"", false);
	json_object_end(&json);
	assert_string_equal(out.data,
		"{\"a\":-9223372036854775808,\"b\":[],\"c\":[18446744073709551615,{},true,null],\"d\\\"\":false}");
}

static void numbers_that_json_lacks_are_null(void **state)
{
	(void)state;
	json_array(&json, NULL);
	json_double(&json, NULL, NAN);
	json_double(&json, NULL, INFINITY);
	json_double(&json, NULL, 0.00002);
	json_double(&json, NULL, 1763700000.25);
	json_double(&json, NULL, 0.1 + 0.2);
	json_array_end(&json);
	assert_string_equal(out.data, "[null,null,2e-05,1763700000.25,0.3]");
}

static void seconds_have_three_decimals_and_are_never_negative(void **state)
{
	(void)state;
	json_array(&json, NULL);
	json_seconds(&json, NULL, 0);
	json_seconds(&json, NULL, 1);
	json_seconds(&json, NULL, 999999999);
	json_seconds(&json, NULL, 1001000000);
	json_seconds(&json, NULL, 12034000000);
	json_seconds(&json, NULL, -5000000000);
	json_array_end(&json);
	assert_string_equal(out.data, "[0.000,0.000,0.999,1.001,12.034,0.000]");
}

static void times_are_rfc3339_in_utc_with_milliseconds(void **state)
{
	(void)state;
	json_array(&json, NULL);
	json_time(&json, NULL, 0);
	json_time(&json, NULL, INT64_C(1767225600) * 1000000000 + 7999999);
	json_time(&json, NULL, -1);
	json_array_end(&json);
	assert_string_equal(out.data, "[\"1970-01-01T00:00:00.000Z\",\"2026-01-01T00:00:00.007Z\",null]");
}

static void a_full_array_is_read_to_its_end_and_no_further(void **state)
{
	char full[4] = {'a', 'b', 'c', 'd'}; /* no NUL */

	(void)state;
	json_array(&json, NULL);
	json_text_within(&json, NULL, full, sizeof full);
	json_text_within(&json, NULL, "", 1);
	json_text(&json, NULL, NULL);
	json_array_end(&json);
	assert_string_equal(out.data, "[\"abcd\",null,null]");
}

static void a_buffer_holds_its_limit_and_not_a_byte_more(void **state)
{
	size_t bytes = 77;

	(void)state;
	buf_free(&out);
	buf_start(&out, 5);
	buf_text(&out, "12345");
	assert_false(out.failed);
	buf_char(&out, '6');
	assert_true(out.failed);
	assert_int_equal(out.used, 5);
	buf_text(&out, ""); /* what comes after a failure is dropped */
	assert_null(buf_take(&out, &bytes));
	assert_int_equal(bytes, 77);
}

static void a_buffer_grows_by_many_small_pieces(void **state)
{
	char *data;
	size_t bytes = 0;

	(void)state;
	buf_free(&out);
	buf_start(&out, 1 << 20);
	for (unsigned i = 0; i < 100000; i++)
		buf_uint(&out, i % 10);
	data = buf_take(&out, &bytes);
	assert_non_null(data);
	assert_int_equal(bytes, 100000);
	assert_int_equal(data[99999], '9');
	assert_int_equal(data[bytes], '\0');
	assert_null(out.data);
	free(data);
}

static void printable_text_is_one_line_of_ascii(void **state)
{
	(void)state;
	buf_printable(&out, "a\n\x1b\"\\é~");
	assert_string_equal(out.data, "a\\x0a\\x1b\\\"\\\\\\xc3\\xa9~");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strings_are_escaped),
		TEST(utf8_takes_whole_characters_only),
		TEST(commas_stand_between_elements_only),
		TEST(numbers_that_json_lacks_are_null),
		TEST(seconds_have_three_decimals_and_are_never_negative),
		TEST(times_are_rfc3339_in_utc_with_milliseconds),
		TEST(a_full_array_is_read_to_its_end_and_no_further),
		TEST(a_buffer_holds_its_limit_and_not_a_byte_more),
		TEST(a_buffer_grows_by_many_small_pieces),
		TEST(printable_text_is_one_line_of_ascii),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
