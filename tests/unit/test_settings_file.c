/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/settings_table.h"

static struct settings settings;
static struct complaints why;
static char path[] = "/tmp/ls-settings-XXXXXX";
static int fd;

static int open_file(void **state)
{
	(void)state;
	fd = mkstemp(path);
	return fd < 0;
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static void write_file(const char *text)
{
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pwrite(fd, text, strlen(text), 0), strlen(text));
}

static void read_text(const char *text)
{
	write_file(text);
	memset(&why, 0, sizeof(why));
	settings_set_defaults(&settings);
	settings_read_file(&settings, path, NULL, &why);
}

static void the_contracts_example_is_taken(void **state)
{
	(void)state;
	read_text("service: orders\n"
		  "listen: [\":8081\"]\n"
		  "startup:   {port: 8080, periodSeconds: 2, failureThreshold: 301}\n"
		  "liveness:  {mode: observe, sampleSeconds: 0.2, loopBlockedSeconds: 31, loopSpinningSeconds: "
		  "61,\n"
		  "            noProgressSeconds: 32, deadlock: any, knock: false,\n"
		  "            onDead: {command: [\"/usr/local/bin/dump-state\", \"a b\"], waitSeconds: 6}}\n"
		  "readiness: {periodSeconds: 11, timeoutSeconds: 4, fastSeconds: 2, failureThreshold: 4,\n"
		  "            successThreshold: 2, queueShare: 0.8, memoryShare: 0.9}\n");
	assert_int_equal(why.count, 0);
	assert_string_equal(settings.service, "orders");
	assert_string_equal(settings.listen[0], ":8081");
	assert_int_equal(settings.startup.port_mode, STARTUP_PORT_NUMBER);
	assert_int_equal(settings.startup.port, 8080);
	assert_true(settings.startup.period_seconds == 2);
	assert_int_equal(settings.startup.failure_threshold, 301);
	assert_int_equal(settings.liveness.mode, LIVENESS_OBSERVE);
	assert_true(settings.liveness.sample_seconds == 0.2);
	assert_true(settings.liveness.loop_blocked_seconds == 31);
	assert_true(settings.liveness.no_progress_seconds == 32);
	assert_int_equal(settings.liveness.deadlock, DEADLOCK_ANY);
	assert_false(settings.liveness.knock);
	assert_int_equal(settings.liveness.on_dead_words, 2);
	assert_string_equal(settings.liveness.on_dead[1], "a b");
	assert_true(settings.liveness.on_dead_wait_seconds == 6);
	assert_int_equal(settings.readiness.failure_threshold, 4);
	assert_true(settings.readiness.queue_share == 0.8);
}

static void ports_and_words(void **state)
{
	(void)state;
	read_text("{\"startup\": {\"port\": \"none\"}, \"debug\": \"all\", \"serviceVersion\": 1.10}");
	assert_int_equal(why.count, 0);
	assert_int_equal(settings.startup.port_mode, STARTUP_PORT_NONE);
	assert_true(settings.debug_all);
	assert_string_equal(settings.service_version, "1.10"); /* as written, not as a number */
}

static void fail_open_may_stand_at_the_top(void **state)
{
	(void)state;
	read_text("failOpen: {allHardDown: true}\n");
	assert_int_equal(why.count, 0);
	assert_true(settings.readiness.all_hard_down);
	read_text("dependancies: []\n");
	assert_int_equal(why.count, 1);
	assert_non_null(strstr(why.text[0], "did you mean 'dependencies'?"));
	assert_non_null(strstr(why.text[0], "readiness, dependencies, groups"));
}

static void sections_may_be_empty(void **state)
{
	(void)state;
	read_text("liveness:\n# mode: observe\nreadiness: {}\nstartup: null\n");
	assert_int_equal(why.count, 0);
}

static void what_is_refused(void **state)
{
	static const struct {
		const char *text, *complaint; /* what follows the file's name */
	} rows[] = {
		{"servise: x\n",
			":1: unknown key 'servise' (did you mean 'service'?), allowed: listen, service, "},
		{"startup: {ports: 1}\n",
			":1: unknown key 'ports' in startup (did you mean 'port'?), allowed: port, "
			"periodSeconds, failureThreshold"},
		{"startup: {initialDelaySeconds: 1}\n",
			":1: unknown key 'initialDelaySeconds' in startup, allowed: port"},
		{"startup.port: 1\n", ":1: unknown key 'startup.port', allowed"},
		{"\nstartup: {port: 0}\n",
			":2: startup.port: found '0', allowed: a port from 1 to 65535, or none"},
		{"startup: {port: \"8080\"}\n", ":1: startup.port: found text in quotes, allowed: a port"},
		{"startup: {port: 08x}\n", ":1: startup.port: found '08x', allowed: a port"},
		{"startup: 5\n", ":1: startup: found a single value, allowed: keys below it"},
		{"startup: [a]\n", ":1: startup: found a list, allowed: keys below it"},
		{"liveness: {sampleSeconds: 1.1}\n",
			":1: liveness.sampleSeconds: found '1.1', allowed: seconds from 0.01 to 1"},
		{"details: yes\n", ":1: details: found 'yes', allowed: false or true"},
		{"details: [true]\n", ":1: details: found a list, allowed: false or true"},
		{"service:\n", ":1: service: found nothing, allowed: 1 to 63 letters"},
		{"service: ../x\n", ":1: service: found '../x', allowed: 1 to 63 letters"},
		{"listen: ':1'\n", ":1: listen: found a single value, allowed: a list of 1 to 8"},
		{"listen: []\n", ":1: listen: found an empty list, allowed"},
		{"listen:\n  - ':1'\n  - '1'\n", ":3: listen: found '1', allowed: ADDR:PORT"},
		{"drainSeconds: 1e1\n", ":1: drainSeconds: found '1e1', allowed: seconds from 0 to 3600"},
		{"drainSeconds: 1.2.3\n", ":1: drainSeconds: found '1.2.3', allowed: seconds"},
		{"drainSeconds: .inf\n", ":1: drainSeconds: found '.inf', allowed: seconds"},
		{"drainSeconds: 3601\n", ":1: drainSeconds: found '3601', allowed: seconds"},
		{"liveness: {mode: of}\n", ":1: liveness.mode: found 'of', allowed: enforce or observe"},
		{"liveness: {onDead: {command: x}}\n",
			":1: liveness.onDead.command: found a single value, allowed: a list"},
		{"dependencies:\n  - {name: db}\n", ":2: dependency 'db': key 'kind' is missing"},
		{"- a\n", ":1: found a list, allowed: keys, as in \"service: orders\""},
		{"just text\n", ":1: found a single value, allowed: keys"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *said;

		read_text(rows[i].text);
		assert_int_equal(why.count, 1);
		said = why.text[0] + strlen(path);
		if (strncmp(said, rows[i].complaint, strlen(rows[i].complaint)))
			fail_msg("%s\nsaid %s", rows[i].text, said);
	}
}

static void everything_is_told_in_the_files_order(void **state)
{
	(void)state;
	read_text("slots: 1\ndir: ${NOPE}\nlogFormat: *x\nlogLevel: 3\ndetails: [\n");
	assert_int_equal(why.count, 5);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(why.text[i][strlen(path) + 1], i < 4 ? '1' + (int)i : '6');
}

static void twenty_are_told_and_the_rest_counted(void **state)
{
	char text[1024] = "", line[32];

	(void)state;
	for (int i = 0; i < 25; i++) {
		snprintf(line, sizeof(line), "unknown%c: 1\n", 'a' + i);
		strcat(text, line);
	}
	read_text(text);
	assert_int_equal(why.count, COMPLAINTS);
	assert_int_equal(why.unseen, 5);
}

static void text_of_others_cannot_move_the_cursor(void **state)
{
	(void)state;
	read_text("\"a\\e[2Jb\\n\": 1\n");
	assert_int_equal(why.count, 1);
	assert_non_null(strstr(why.text[0], "'a?[2Jb?'"));
}

static char option[64];
static const char *const argv[] = {"run", option, "redis-server", NULL};
static const char *const environment[] = {"NAME=orders", NULL};

static void remember(const char *text)
{
	int operand;

	write_file(text);
	snprintf(option, sizeof(option), "--config=%s", path);
	assert_int_equal(settings_load(&settings, 3, (char **)argv, environment, &operand, &why), SETTINGS_OK);
	assert_int_equal(settings_remember(&settings, 3, (char **)argv, environment), 0);
}

static void a_reload_takes_what_may_change(void **state)
{
	struct settings next;
	char error[256];

	(void)state;
	remember("serviceVersion: '1'\nlisten: [':1', ':2']\n");
	settings_name_service(settings.service, "redis-server"); /* completed since it was loaded */
	strcpy(option, "--gone");                                /* the words were copied */
	write_file("serviceVersion: '2'\nlisten: [':1', ':2']\nstartup: {failureThreshold: 7}\nliveness: "
		   "{mode: observe}\n");
	assert_int_equal(settings_reload(&settings, &next, error, sizeof(error)), 0);
	assert_string_equal(next.service_version, "2");
	assert_string_equal(next.service, "redis-server");
	assert_int_equal(next.startup.failure_threshold, 7);
	assert_int_equal(next.listens, 2);
	assert_true(next.listen_asked);
	assert_true(next.observe);
}

static void a_reload_refuses_what_cannot_change(void **state)
{
	struct settings next = {.slots = 5};
	char error[256];

	(void)state;
	remember("listen: [':1']\n");
	write_file("listen: [':2']\nslots: 64\n");
	assert_true(settings_reload(&settings, &next, error, sizeof(error)) < 0);
	assert_non_null(
		strstr(error, "listen cannot change while the service runs; restart it for that (and 1 more)"));
	assert_int_equal(next.slots, 5);
}

static void a_wrong_file_changes_nothing(void **state)
{
	struct settings next = {.slots = 5};
	char error[256];

	(void)state;
	remember("service: ${NAME}\n");
	write_file("service: ${NAME}\nstartup: {port: x}\n");
	assert_true(settings_reload(&settings, &next, error, sizeof(error)) < 0);
	assert_non_null(strstr(error, ":2: startup.port: found 'x'"));
	assert_int_equal(next.slots, 5);
	write_file("service: ${NAME}\nstartup: {port: 1}\n");
	assert_int_equal(settings_reload(&settings, &next, error, sizeof(error)), 0);
	assert_int_equal(next.startup.port, 1);
}

static void without_a_file_there_is_nothing_to_reload(void **state)
{
	static const char *const words[] = {"run", "x", NULL};
	struct settings next;
	char error[256];
	int operand;

	(void)state;
	assert_int_equal(settings_load(&settings, 2, (char **)words, environment, &operand, &why), SETTINGS_OK);
	assert_int_equal(settings_remember(&settings, 2, (char **)words, environment), 0);
	assert_true(settings_reload(&settings, &next, error, sizeof(error)) < 0);
	assert_string_equal(error, "no file was given by --config or LIFESIGN_CONFIG");
}

static void a_file_that_was_replaced_since_it_was_read_is_seen(void **state)
{
	struct settings next;
	char other[sizeof(path) + 4];

	(void)state;
	read_text("service: orders\n");
	assert_false(settings_file_changed(path));
	assert_false(settings_file_changed("/nowhere/at/all")); /* being replaced */
	(void)snprintf(other, sizeof(other), "%s.new", path);
	close(fd);
	fd = creat(other, 0600);
	write_file("service: orders\n"); /* as long as it was, and perhaps as old */
	assert_int_equal(rename(other, path), 0);
	assert_true(settings_file_changed(path)); /* though nobody had looked at it in between */
	assert_true(settings_file_changed(path));
	settings_set_defaults(&next);
	settings_read_file(&next, path, NULL, &why);
	assert_false(settings_file_changed(path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_contracts_example_is_taken),
		cmocka_unit_test(ports_and_words),
		cmocka_unit_test(fail_open_may_stand_at_the_top),
		cmocka_unit_test(sections_may_be_empty),
		cmocka_unit_test(what_is_refused),
		cmocka_unit_test(everything_is_told_in_the_files_order),
		cmocka_unit_test(twenty_are_told_and_the_rest_counted),
		cmocka_unit_test(text_of_others_cannot_move_the_cursor),
		cmocka_unit_test(a_reload_takes_what_may_change),
		cmocka_unit_test(a_reload_refuses_what_cannot_change),
		cmocka_unit_test(a_wrong_file_changes_nothing),
		cmocka_unit_test(without_a_file_there_is_nothing_to_reload),
		cmocka_unit_test(a_file_that_was_replaced_since_it_was_read_is_seen),
	};

	return cmocka_run_group_tests(tests, open_file, remove_file);
}
