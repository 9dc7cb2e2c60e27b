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

#include "base/settings_table.h"

static struct settings settings;
static struct complaints why;
static int operand;

#define WORDS(...) ((const char *const[]){"run", __VA_ARGS__, NULL})
#define NO_WORDS ((const char *const[]){"run", NULL})
#define VARIABLES(...) ((const char *const[]){__VA_ARGS__, NULL})

static enum settings_result load(const char *const *argv, const char *const *environment)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	return settings_load(&settings, argc, (char **)argv, environment, &operand, &why); /* only read */
}

/* The file of this test, rewritten by each. */
static const char *file_with(const char *text)
{
	static char path[] = "/tmp/ls-settings-XXXXXX";
	static int fd = -1;

	if (fd < 0)
		fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pwrite(fd, text, strlen(text), 0), strlen(text));
	return path;
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(file_with(""));
}

static void every_default_is_allowed(void **state)
{
	char reason[COMPLAINT_TEXT];

	(void)state;
	for (unsigned row = 0; row < settings_rows; row++)
		if (settings_table[row].standard)
			assert_int_equal(setting_set(&settings_table[row], &settings,
						 settings_table[row].standard, reason, sizeof(reason)),
				0);
}

static void defaults_are_the_contracts(void **state)
{
	(void)state;
	assert_int_equal(load(WORDS("redis-server"), VARIABLES("XDG_RUNTIME_DIR=/x")), SETTINGS_OK);
	assert_int_equal(operand, 1);
	assert_string_equal(settings.listen[0], "127.0.0.1:8081");
	assert_int_equal(settings.listens, 1);
	assert_false(settings.listen_asked);
	assert_true(settings.drain_seconds == 0);
	assert_int_equal(settings.slots, 8192);
	assert_int_equal(settings.startup.port_mode, STARTUP_PORT_ABSENT);
	assert_int_equal(settings.startup.failure_threshold, 300);
	assert_true(settings.liveness.sample_seconds == 0.1);
	assert_true(settings.liveness.loop_blocked_seconds == 30);
	assert_true(settings.liveness.loop_spinning_seconds == 60);
	assert_true(settings.liveness.knock);
	assert_int_equal(settings.liveness.deadlock, DEADLOCK_CRITICAL);
	assert_int_equal(settings.log_level, LOG_LEVEL_INFO);
	assert_true(settings.readiness.memory_share == 0.95);
	assert_false(settings.observe);
}

static void a_pod_listens_everywhere(void **state)
{
	(void)state;
	assert_int_equal(load(NO_WORDS, VARIABLES("KUBERNETES_SERVICE_HOST=10.0.0.1")), SETTINGS_OK);
	assert_string_equal(settings.listen[0], ":8081");
	assert_false(settings.listen_asked);
	assert_int_equal(load(NO_WORDS, VARIABLES("KUBERNETES_SERVICE_HOST=")), SETTINGS_OK);
	assert_string_equal(settings.listen[0], "127.0.0.1:8081");
}

static void option_beats_variable_beats_file_beats_default(void **state)
{
	const char *path = file_with(
		"drainSeconds: 1\nlogLevel: debug\nslots: 100\nlisten: [':1']\nliveness: {mode: observe}\n");
	char option[64];

	(void)state;
	snprintf(option, sizeof(option), "--config=%s", path);
	assert_int_equal(load(WORDS(option, "x"), VARIABLES("A=b")), SETTINGS_OK);
	assert_true(settings.drain_seconds == 1);
	assert_int_equal(settings.slots, 128);
	assert_string_equal(settings.listen[0], ":1");
	assert_true(settings.listen_asked);
	assert_true(settings.observe);

	assert_int_equal(load(WORDS(option), VARIABLES("LIFESIGN_DRAIN=2", "LIFESIGN_LISTEN=:2,:3",
						     "LIFESIGN_OBSERVE=false")),
		SETTINGS_OK);
	assert_true(settings.drain_seconds == 2);
	assert_int_equal(settings.listens, 2);
	assert_string_equal(settings.listen[1], ":3");
	assert_false(settings.observe);
	assert_int_equal(settings.log_level, LOG_LEVEL_DEBUG);

	assert_int_equal(
		load(WORDS(option, "--drain", "3", "--listen", ":4", "--observe", "--", "x"),
			VARIABLES("LIFESIGN_DRAIN=2", "LIFESIGN_LISTEN=:2,:3", "LIFESIGN_OBSERVE=false")),
		SETTINGS_OK);
	assert_true(settings.drain_seconds == 3);
	assert_int_equal(settings.listens, 1);
	assert_string_equal(settings.listen[0], ":4");
	assert_true(settings.observe);
	assert_int_equal(operand, 8);
}

static void the_file_may_come_from_a_variable(void **state)
{
	char variable[64];

	(void)state;
	snprintf(variable, sizeof(variable), "LIFESIGN_CONFIG=%s", file_with("service: orders\n"));
	assert_int_equal(load(NO_WORDS, VARIABLES(variable)), SETTINGS_OK);
	assert_string_equal(settings.service, "orders");
}

static void unknown_variables_are_ignored_and_empty_ones_unset(void **state)
{
	(void)state;
	assert_int_equal(load(NO_WORDS, VARIABLES("LIFESIGN_PORT=tcp://10.0.0.1:80",
						"LIFESIGN_SERVICE_HOST=10.0.0.1", "LIFESIGN_DRAIN=")),
		SETTINGS_OK);
}

static void a_variable_says_1_for_true_and_0_for_false(void **state)
{
	(void)state;
	assert_int_equal(load(WORDS("--details"),
				 VARIABLES("LIFESIGN_OBSERVE=1", "LIFESIGN_DEBUG=1", "LIFESIGN_LOG_REQUESTS=0")),
		SETTINGS_OK);
	assert_true(settings.observe && settings.debug && settings.details);
	assert_false(settings.debug_all || settings.log_requests);
	assert_int_equal(load(NO_WORDS, VARIABLES("LIFESIGN_OBSERVE=2")), SETTINGS_CONFIG);
	assert_string_equal(why.text[0], "variable LIFESIGN_OBSERVE: found '2', allowed: false or true");
}

static void a_bad_variable_is_a_configuration_error(void **state)
{
	(void)state;
	memset(&settings, 0x55, sizeof(settings));
	assert_int_equal(
		load(NO_WORDS, VARIABLES("LIFESIGN_LOG_LEVEL=loud", "LIFESIGN_LISTEN=:1,80")), SETTINGS_CONFIG);
	assert_int_equal(why.count, 2);
	assert_string_equal(why.text[0],
		"variable LIFESIGN_LISTEN: found '80', allowed: ADDR:PORT, [v6]:PORT, :PORT or unix:/path");
	assert_string_equal(
		why.text[1], "variable LIFESIGN_LOG_LEVEL: found 'loud', allowed: error, warn, info or debug");
	assert_int_equal(settings.slots, 0x55555555); /* untouched */
}

static void options_end_at_command(void **state)
{
	(void)state;
	assert_int_equal(
		load(WORDS("--details", "redis-server", "--listen", "x"), VARIABLES("A=b")), SETTINGS_OK);
	assert_int_equal(operand, 2);
	assert_int_equal(load(WORDS("--", "--odd-name"), VARIABLES("A=b")), SETTINGS_OK);
	assert_int_equal(operand, 2);
	assert_int_equal(load(WORDS("--debug=all", "--details=false"), VARIABLES("A=b")), SETTINGS_OK);
	assert_true(settings.debug_all);
	assert_int_equal(operand, 3);
	assert_int_equal(load(WORDS("--debug", "all"), VARIABLES("A=b")), SETTINGS_OK);
	assert_true(settings.debug && !settings.debug_all);
	assert_int_equal(operand, 2);
}

static void bad_options_are_usage_errors(void **state)
{
	static const char *const rows[][4] = {
		{"run", "--lisen", "x", "unknown option '--lisen' (did you mean '--listen'?)"},
		{"run", "--lisen=x", "x", "unknown option '--lisen' (did you mean '--listen'?)"},
		{"run", "-x", "x", "unknown option '-x'"},
		{"run", "--zzzzz", "x", "unknown option '--zzzzz'"},
		{"run", "--drain=-1", "x", "option '--drain': found '-1', allowed: seconds from 0 to 3600"},
		{"run", "--drain", "--details", "option '--drain' needs a value: SECONDS"},
		{"run", "--slots", "65537",
			"option '--slots': found '65537', allowed: a whole number from 64 to 65536"},
		{"run", "--details=yes", "x", "option '--details': found 'yes', allowed: false or true"},
		{"run", "--service", "a/b",
			"option '--service': found 'a/b', allowed: 1 to 63 letters, digits and . _ - + @, "
			"starting with a letter or digit"},
		{"run", "--config=", "x", "option '--config': found nothing, allowed: text of 1 to 1023 bytes"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *const argv[] = {rows[i][0], rows[i][1], rows[i][2], NULL};

		assert_int_equal(load(argv, VARIABLES("A=b")), SETTINGS_USAGE);
		assert_string_equal(why.text[0], rows[i][3]);
	}
}

static void help_is_heard_before_everything(void **state)
{
	(void)state;
	assert_int_equal(load(WORDS("--details", "--help"), VARIABLES("LIFESIGN_DRAIN=x")), SETTINGS_HELP);
	assert_int_equal(load(WORDS("-h"), VARIABLES("A=b")), SETTINGS_HELP);
	assert_int_equal(load(WORDS("ls", "--help"), VARIABLES("A=b")), SETTINGS_OK); /* COMMAND's own */
}

static void slots_become_a_power_of_two(void **state)
{
	static const struct {
		const char *asked;
		unsigned slots;
	} rows[] = {{"64", 64}, {"65", 128}, {"1000", 1024}, {"32769", 65536}, {"65536", 65536}};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(load(WORDS("--slots", rows[i].asked), VARIABLES("A=b")), SETTINGS_OK);
		assert_int_equal(settings.slots, rows[i].slots);
	}
}

static void at_most_eight_addresses(void **state)
{
	(void)state;
	assert_int_equal(load(NO_WORDS, VARIABLES("LIFESIGN_LISTEN=:1,:2,:3,:4,:5,:6,:7,:8")), SETTINGS_OK);
	assert_int_equal(settings.listens, 8);
	assert_int_equal(
		load(NO_WORDS, VARIABLES("LIFESIGN_LISTEN=:1,:2,:3,:4,:5,:6,:7,:8,:9")), SETTINGS_CONFIG);
}

static void dir_follows_the_environment(void **state)
{
	static const struct {
		const char *variables[3];
		unsigned uid;
		const char *dir;
	} rows[] = {
		{{"RUNTIME_DIRECTORY=/run/a:/run/b", "XDG_RUNTIME_DIR=/x"}, 0, "/run/a"},
		{{"XDG_RUNTIME_DIR=/x"}, 0, "/run/lifesign"},
		{{"XDG_RUNTIME_DIR=/x"}, 7, "/x/lifesign"},
		{{"XDG_RUNTIME_DIR="}, 7, "/tmp/lifesign-7"},
	};
	char dir[64];

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(settings_default_dir(rows[i].variables, rows[i].uid, dir, sizeof(dir)), 0);
		assert_string_equal(dir, rows[i].dir);
	}
	assert_true(settings_default_dir(rows[3].variables, 7, dir, 4) < 0);
}

static void services_are_named_after_command(void **state)
{
	static const struct {
		const char *command, *name;
	} rows[] = {
		{"/usr/bin/redis-server", "redis-server"},
		{"./a b", "a-b"},
		{"-sh", "sh"},
		{"...", "service"},
		{"/x/", "service"},
		{"\xc3\xa4"
		 "b+\xc3\xa4",
			"b+--"},
	};
	char name[SERVICE_NAME_BYTES];

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		settings_name_service(name, rows[i].command);
		assert_string_equal(name, rows[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_default_is_allowed),
		cmocka_unit_test(defaults_are_the_contracts),
		cmocka_unit_test(a_pod_listens_everywhere),
		cmocka_unit_test(option_beats_variable_beats_file_beats_default),
		cmocka_unit_test(the_file_may_come_from_a_variable),
		cmocka_unit_test(unknown_variables_are_ignored_and_empty_ones_unset),
		cmocka_unit_test(a_variable_says_1_for_true_and_0_for_false),
		cmocka_unit_test(a_bad_variable_is_a_configuration_error),
		cmocka_unit_test(options_end_at_command),
		cmocka_unit_test(bad_options_are_usage_errors),
		cmocka_unit_test(help_is_heard_before_everything),
		cmocka_unit_test(slots_become_a_power_of_two),
		cmocka_unit_test(at_most_eight_addresses),
		cmocka_unit_test(dir_follows_the_environment),
		cmocka_unit_test(services_are_named_after_command),
	};

	return cmocka_run_group_tests(tests, NULL, remove_file);
}
