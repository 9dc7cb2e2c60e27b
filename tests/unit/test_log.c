/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/log.h"

static char directory[] = "/tmp/ls-log-XXXXXX", path[64], text[1 << 20];

static int make_directory(void **state)
{
	(void)state;
	umask(0);
	snprintf(path, sizeof(path), "%s/log", mkdtemp(directory));
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory);
}

static void start(enum log_format format)
{
	unlink(path);
	assert_int_equal(log_start(format, LOG_LEVEL_INFO, "orders", path), 0);
}

static const char *read_log(void)
{
	int fd = open(path, O_RDONLY);
	ssize_t bytes = read(fd, text, sizeof(text) - 1);

	close(fd);
	assert_true(bytes >= 0);
	text[bytes] = 0;
	return text;
}

static void text_lines_start_with_the_name(void **state)
{
	static const struct log_line line = {.level = LOG_LEVEL_INFO,
		.event = "transition",
		.probe = "ready",
		.from = "ready",
		.to = "not_ready",
		.reason = "draining",
		.detail = "asked to stop"};

	(void)state;
	start(LOG_FORMAT_TEXT);
	log_event(LOG_LEVEL_ERROR, "listen", "port %d is taken", 80);
	log_emit(&line);
	assert_string_equal(read_log(), "lifesign: port 80 is taken\n"
					"lifesign: ready ready -> not_ready (draining): asked to stop\n");
}

static void levels_are_heeded(void **state)
{
	(void)state;
	start(LOG_FORMAT_TEXT);
	log_event(LOG_LEVEL_DEBUG, "x", "not this");
	assert_string_equal(read_log(), "");
}

static void json_has_every_key(void **state)
{
	static const char *const keys[] = {
		"time", "level", "app", "event", "probe", "from", "to", "reason", "detail"};
	json_t *line;

	(void)state;
	start(LOG_FORMAT_JSON);
	log_event(LOG_LEVEL_WARN, "start", "a \"b\" \\ \n\t\x01\x7f \xc2\x9b \xff \xc3\xa4");
	line = json_loads(read_log(), JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(line);
	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		assert_non_null(json_object_get(line, keys[i]));
	assert_int_equal(json_object_size(line), 9);
	assert_string_equal(json_string_value(json_object_get(line, "level")), "warn");
	assert_string_equal(json_string_value(json_object_get(line, "app")), "orders");
	assert_true(json_is_null(json_object_get(line, "probe")));
	assert_string_equal(json_string_value(json_object_get(line, "detail")),
		"a \"b\" \\ \n\t\x01\x7f \xc2\x9b \xef\xbf\xbd \xc3\xa4");
	assert_null(strchr(text, 0x7f));
	json_decref(line);
}

/* 2026-01-01T00:00:00.000Z */
static void time_is_utc_with_milliseconds(void **state)
{
	static const char shape[] = "dddd-dd-ddTdd:dd:dd.dddZ";
	const char *time;

	(void)state;
	setenv("TZ", "Asia/Tokyo", 1);
	start(LOG_FORMAT_JSON);
	log_event(LOG_LEVEL_INFO, "start", "x");
	time = read_log() + strlen("{\"time\":\"");
	for (unsigned i = 0; shape[i]; i++)
		assert_true(shape[i] == 'd' ? time[i] >= '0' && time[i] <= '9' : time[i] == shape[i]);
	assert_int_equal(time[strlen(shape)], '"');
}

static void control_characters_stay_in_the_line(void **state)
{
	(void)state;
	start(LOG_FORMAT_TEXT);
	log_event(LOG_LEVEL_INFO, "x",
		"a\nb\x1b[2Jc\x7f\xc2\x9b"
		"d\xff");
	assert_string_equal(read_log(), "lifesign: a\\nb\\x1b[2Jc\\x7f\\u009bd\xef\xbf\xbd\n");
}

static void long_lines_are_cut_whole(void **state)
{
	static char big[9000];
	json_t *line;

	(void)state;
	for (unsigned i = 0; i + 2 < sizeof(big); i += 2)
		memcpy(big + i, "\xc3\xa4", 2);
	start(LOG_FORMAT_TEXT);
	log_event(LOG_LEVEL_INFO, "x", "%s", big);
	assert_in_range(strlen(read_log()), 4000, 4096);
	assert_string_equal(text + strlen(text) - 4, "\xe2\x80\xa6\n");
	for (int format = 0; format < 8; format++) {
		const struct log_line from = {
			.event = "x", .probe = big + format, .from = "\x01\x02", .detail = big + format};

		start(LOG_FORMAT_JSON);
		log_emit(&from);
		line = json_loads(read_log(), 0, NULL);
		assert_non_null(line);
		assert_true(strlen(text) <= 4096);
		json_decref(line);
	}
}

static void files_are_appended_to_and_private(void **state)
{
	struct stat status;

	(void)state;
	start(LOG_FORMAT_TEXT);
	log_event(LOG_LEVEL_INFO, "x", "one");
	assert_int_equal(log_start(LOG_FORMAT_TEXT, LOG_LEVEL_INFO, "orders", path), 0);
	log_event(LOG_LEVEL_INFO, "x", "two");
	assert_string_equal(read_log(), "lifesign: one\nlifesign: two\n");
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0640);
	assert_int_equal(log_start(LOG_FORMAT_TEXT, LOG_LEVEL_INFO, "orders", "/nonexistent/log"), -ENOENT);
}

static void *write_many(void *name)
{
	for (int i = 0; i < 500; i++)
		log_event(LOG_LEVEL_INFO, "x", "%s %s %s", (char *)name, (char *)name, (char *)name);
	return NULL;
}

static void lines_are_never_torn(void **state)
{
	static char names[4][2] = {"a", "b", "c", "d"};
	pthread_t threads[4];
	unsigned lines = 0;

	(void)state;
	start(LOG_FORMAT_TEXT);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_many, names[i]), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	read_log();
	for (const char *line = text; *line; line = strchr(line, '\n') + 1, lines++) {
		assert_int_equal(strncmp(line, "lifesign: ", 10), 0);
		assert_true(line[10] == line[12] && line[10] == line[14] && line[15] == '\n');
	}
	assert_int_equal(lines, 2000);
}

/* Logging to a pipe whose reader went away, or does not read, stops nobody. */
static void readers_that_are_gone_or_stuck_do_not_matter(void **state)
{
	int ends[2], before = dup(STDERR_FILENO);
	int64_t began = clock_mono_ns();
	sigset_t pending;
	ssize_t bytes;

	(void)state;
	assert_int_equal(log_start(LOG_FORMAT_TEXT, LOG_LEVEL_INFO, "orders", NULL), 0);
	assert_int_equal(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
	fcntl(ends[0], F_SETPIPE_SZ, 4096);
	for (int i = 0; i < 1000; i++) { /* full after the first few */
		errno = ERANGE;
		log_event(LOG_LEVEL_INFO, "x", "123456");
		assert_int_equal(errno, ERANGE);
	}
	assert_true(clock_mono_ns() - began < 5 * NS_PER_SECOND); /* one of them waited, not each */
	assert_true(read(ends[0], text, sizeof(text)) > 0);
	log_event(LOG_LEVEL_INFO, "x", "heard again");
	bytes = read(ends[0], text, sizeof(text));
	assert_int_equal(strncmp(text, "lifesign: heard again\n", (size_t)bytes), 0);
	close(ends[0]);
	log_event(LOG_LEVEL_INFO, "x", "nobody");
	sigpending(&pending);
	dup2(before, STDERR_FILENO);
	close(before);
	assert_false(sigismember(&pending, SIGPIPE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_lines_start_with_the_name),
		cmocka_unit_test(levels_are_heeded),
		cmocka_unit_test(json_has_every_key),
		cmocka_unit_test(time_is_utc_with_milliseconds),
		cmocka_unit_test(control_characters_stay_in_the_line),
		cmocka_unit_test(long_lines_are_cut_whole),
		cmocka_unit_test(files_are_appended_to_and_private),
		cmocka_unit_test(lines_are_never_torn),
		cmocka_unit_test(readers_that_are_gone_or_stuck_do_not_matter),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
