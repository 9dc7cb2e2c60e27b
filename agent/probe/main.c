/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lifesign-prober: asks the dependencies, in a process that may hang or crash. Started by the supervisor, or by hand:
 *   lifesign-prober --try URL|NAME [--config FILE] [--timeout SECONDS] [--times N] [--modules DIR]
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/options.h"
#include "probe/attempt.h"
#include "probe/engine.h"
#include "probe/try.h"

enum { TRY, CONFIG, TIMEOUT, TIMES, LINES, SERVICE, MODULES, SERVE, LOG_FORMAT, LOG_LEVEL, LOG_FILE };

static const struct option_row rows[] = {
	[TRY] = {"try", OPTION_VALUE, "URL|NAME", "ask it once"},
	[CONFIG] = {"config", OPTION_VALUE, "FILE", "where the name is"},
	[TIMEOUT] = {"timeout", OPTION_VALUE, "SECONDS", "for all phases together"},
	[TIMES] = {"times", OPTION_VALUE, "N", "how often, over one connection"},
	[LINES] = {"lines", OPTION_SWITCH, NULL, "once for each line of stdin, which may name its seconds"},
	[SERVICE] = {"service", OPTION_VALUE, "NAME", "who asks, for follow"},
	[MODULES] = {"modules", OPTION_VALUE, "DIR", "where the kinds are"},
	[SERVE] = {"serve", OPTION_VALUE, "SERVICE", "as the supervisor starts it: socket and beat are descriptors 3 and 4"},
	[LOG_FORMAT] = {"log-format", OPTION_VALUE, "FORMAT", "text or json"},
	[LOG_LEVEL] = {"log-level", OPTION_VALUE, "LEVEL", "the least that is logged"},
	[LOG_FILE] = {"log-file", OPTION_VALUE, "FILE", "where log lines go"},
};

enum { ROWS = sizeof(rows) / sizeof(*rows) };
enum { EXIT_USAGE = 64, DEFAULT_SECONDS = 3, MOST_TIMES = 1000000 };

static int refuse(const char *what)
{
	(void)fprintf(stderr, "lifesign: lifesign-prober is started by lifesign; by hand: lifesign probe URL (%s)\n", what);
	return EXIT_USAGE;
}

enum { SOCKET = 3, BEAT = 4 };

static enum log_level read_level(const char *word)
{
	for (int i = 0; word && log_levels[i]; i++)
		if (!strcmp(word, log_levels[i]))
			return (enum log_level)i;
	return LOG_LEVEL_INFO;
}

static int serve(const char *const values[])
{
	bool json = values[LOG_FORMAT] && !strcmp(values[LOG_FORMAT], "json");

	(void)log_start(json ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT, read_level(values[LOG_LEVEL]), values[SERVE], values[LOG_FILE]); /* else stderr */
	if (fcntl(SOCKET, F_SETFD, FD_CLOEXEC) < 0 || fcntl(BEAT, F_SETFD, FD_CLOEXEC) < 0)
		return refuse("--serve is for the supervisor");
	/* Libraries would clean up behind threads that are still in them: nothing of it outlives the process anyway. */
	_exit(engine_run(SOCKET, BEAT, values[MODULES]));
}

int main(int argc, char **argv)
{
	struct option_reader reader = {.argc = argc, .argv = argv, .at = 1};
	struct try how = {.timeout_seconds = DEFAULT_SECONDS, .times = 1};
	const char *values[ROWS] = {NULL};
	int row;

	while ((row = options_next(&reader, rows, ROWS)) >= 0) {
		values[row] = reader.value;
		if (row == TRY)
			how.what = reader.value;
		else if (row == CONFIG)
			how.config = reader.value;
		else if (row == LINES)
			how.lines = true;
		else if (row == SERVICE)
			attempt_name_service(reader.value);
		else if (row == MODULES)
			how.modules = reader.value;
		else if (row == TIMEOUT)
			how.timeout_seconds = strtod(reader.value, NULL);
		else if (row == TIMES)
			how.times = (unsigned)strtoul(reader.value, NULL, 10);
	}
	if (row != OPTIONS_END || reader.at < argc)
		return refuse(row == OPTIONS_BAD ? reader.error : "its words are options only");
	if (values[SERVE])
		return serve(values);
	if (!how.what || !(how.timeout_seconds > 0 && how.timeout_seconds <= TRY_MOST_SECONDS) || !how.times || how.times > MOST_TIMES)
		return refuse("--try is missing, or --timeout or --times is no number above 0");
	return try_main(&how, (const char *const *)environ);
}
