/* SPDX-License-Identifier: Apache-2.0 */
/* COMMAND's environment, and what a manager is told in its name: both are rewritten as little as possible. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "supervise/environment.h"
#include "supervise/relay.h"

#define SHIM "/opt/lib/liblifesign.so"
enum { SELF = 4711 };

static const struct environment_plan all = {.shim = SHIM, .segment = "@seg", .notify = "@relay", .self = SELF};

/* Two lists of at most this many words, ended by NULL. */
enum { WORDS = 8 };

struct row {
	const char *before[WORDS], *after[WORDS];
};

static const struct row rows[] = {
	{{"A=1", "B="}, {"A=1", "B=", "LD_PRELOAD=" SHIM, "LIFESIGN_SEGMENT=@seg"}},
	{{"LIFESIGN_LISTEN=x", "LIFESIGN_SEGMENT=@old", "LIFESIGN_=", "LIFESIGNX=1"},
		{"LIFESIGNX=1", "LD_PRELOAD=" SHIM, "LIFESIGN_SEGMENT=@seg"}},
	{{"LD_PRELOAD=a.so"}, {"LD_PRELOAD=a.so:" SHIM, "LIFESIGN_SEGMENT=@seg"}},
	{{"LD_PRELOAD=a.so b.so"}, {"LD_PRELOAD=a.so b.so:" SHIM, "LIFESIGN_SEGMENT=@seg"}},
	{{"LD_PRELOAD="}, {"LD_PRELOAD=" SHIM, "LIFESIGN_SEGMENT=@seg"}},
	{{"LD_PRELOAD=" SHIM ":a.so"}, {"LD_PRELOAD=" SHIM ":a.so", "LIFESIGN_SEGMENT=@seg"}},
	{{"LD_PRELOAD=" SHIM ".old"}, {"LD_PRELOAD=" SHIM ".old:" SHIM, "LIFESIGN_SEGMENT=@seg"}},
	{{"LIFESIGN_COMMAND_PRELOAD=u.so", "LIFESIGN_COMMAND_AUDIT=v.so"},
		{"LD_PRELOAD=u.so:" SHIM, "LD_AUDIT=v.so", "LIFESIGN_SEGMENT=@seg"}},
	{{"NOTIFY_SOCKET=/run/n"}, {"NOTIFY_SOCKET=@relay", "LD_PRELOAD=" SHIM, "LIFESIGN_SEGMENT=@seg"}},
	{{"LISTEN_PID=4711", "LISTEN_FDS=2", "LISTEN_PIDFDID=9", "WATCHDOG_PID=4711"},
		{"LISTEN_PID=12345", "LISTEN_FDS=2", "WATCHDOG_PID=12345", "LD_PRELOAD=" SHIM, "LIFESIGN_SEGMENT=@seg"}},
	{{"LISTEN_PID=47110", "WATCHDOG_PID=1"},
		{"LISTEN_PID=47110", "WATCHDOG_PID=1", "LD_PRELOAD=" SHIM, "LIFESIGN_SEGMENT=@seg"}},
	{{"no equals sign", "=odd"}, {"no equals sign", "=odd", "LD_PRELOAD=" SHIM, "LIFESIGN_SEGMENT=@seg"}},
};

static void each_row_is_rewritten_so(void **state)
{
	static struct environment kept[sizeof(rows) / sizeof(rows[0])]; /* as the supervisor keeps its own */

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct environment made;

		assert_int_equal(environment_build(&kept[i], (char **)rows[i].before, &all), 0);
		made = kept[i];
		environment_set_pid(&made, 12345);
		for (int word = 0; rows[i].after[word]; word++) {
			assert_non_null(made.list[word]);
			assert_string_equal(made.list[word], rows[i].after[word]);
			assert_true(!rows[i].after[word + 1] == !made.list[word + 1]);
		}
	}
}

static void without_segment_nothing_is_added(void **state)
{
	const char *before[] = {"A=1", "LD_PRELOAD=a.so", "NOTIFY_SOCKET=/run/n", NULL};
	const struct environment_plan nothing = {.self = SELF};
	static struct environment made;

	(void)state;
	assert_int_equal(environment_build(&made, (char **)before, &nothing), 0);
	for (int i = 0; i < 4; i++)
		assert_ptr_equal(made.list[i], before[i]);
}

static void find_takes_whole_names(void **state)
{
	char *list[] = {(char *)"AB=1", (char *)"A=2", NULL};

	(void)state;
	assert_string_equal(environment_find(list, "A"), "2");
	assert_null(environment_find(list, "B"));
}

static const struct {
	const char *from, *to;
} messages[] = {
	{"READY=1", "READY=1\nMAINPID=4711\n"},
	{"READY=1\n", "READY=1\nMAINPID=4711\n"},
	{"MAINPID=1\nREADY=1", "READY=1\nMAINPID=4711\n"},
	{"READY=1\nMAINPID=1", "READY=1\nMAINPID=4711\n"},
	{"MAINPID=1", "MAINPID=4711\n"},
	{"MAINPIDFDID=9\nMAINPIDFD=1\nSTATUS=MAINPID=7", "STATUS=MAINPID=7\nMAINPID=4711\n"},
	{"XMAINPID=1", "XMAINPID=1\nMAINPID=4711\n"},
	{"BARRIER=1", "BARRIER=1"},
	{"BARRIER=1\n", "BARRIER=1\n"},
	{"BARRIER=10", "BARRIER=10\nMAINPID=4711\n"},
	{"", "MAINPID=4711\n"},
	{"\n\n", "\n\nMAINPID=4711\n"},
};

static void each_message_is_rewritten_so(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		char out[RELAY_BYTES];
		size_t bytes = relay_rewrite(messages[i].from, strlen(messages[i].from), SELF, out, sizeof(out));

		assert_int_equal(bytes, strlen(messages[i].to));
		assert_memory_equal(out, messages[i].to, bytes);
	}
}

static void a_message_never_grows_beyond_what_a_manager_takes(void **state)
{
	char full[RELAY_BYTES], out[RELAY_BYTES];

	(void)state;
	memset(full, 'x', sizeof(full));
	assert_int_equal(relay_rewrite(full, sizeof(full), SELF, out, sizeof(out)), sizeof(full));
	assert_memory_equal(full, out, sizeof(full));
	assert_int_equal(relay_rewrite(full, sizeof(full) - 5, SELF, out, sizeof(out)), sizeof(full) - 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row_is_rewritten_so),
		cmocka_unit_test(without_segment_nothing_is_added),
		cmocka_unit_test(find_takes_whole_names),
		cmocka_unit_test(each_message_is_rewritten_so),
		cmocka_unit_test(a_message_never_grows_beyond_what_a_manager_takes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
