/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lifesign-prober: asks the dependencies, in a process that may hang or crash. Started by the supervisor, or by hand:
 *   lifesign-prober --try URL|NAME [--config FILE] [--timeout SECONDS] [--times N] [--modules DIR]
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/options.h"
#include "probe/attempt.h"
#include "probe/try.h"

enum { TRY, CONFIG, TIMEOUT, TIMES, LINES, SERVICE, MODULES };

static const struct option_row rows[] = {
	[TRY] = {"try", OPTION_VALUE, "URL|NAME", "ask it once"},
	[CONFIG] = {"config", OPTION_VALUE, "FILE", "where the name is"},
	[TIMEOUT] = {"timeout", OPTION_VALUE, "SECONDS", "for all phases together"},
	[TIMES] = {"times", OPTION_VALUE, "N", "how often, over one connection"},
	[LINES] = {"lines", OPTION_SWITCH, NULL, "once for each line of stdin, over one connection"},
	[SERVICE] = {"service", OPTION_VALUE, "NAME", "who asks, for follow"},
	[MODULES] = {"modules", OPTION_VALUE, "DIR", "where the kinds are"},
};

enum { EXIT_USAGE = 64, DEFAULT_SECONDS = 3, MOST_TIMES = 1000000 };

static int refuse(const char *what)
{
	(void)fprintf(stderr, "lifesign: lifesign-prober is started by lifesign; by hand: lifesign probe URL (%s)\n", what);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	struct option_reader reader = {.argc = argc, .argv = argv, .at = 1};
	struct try how = {.timeout_seconds = DEFAULT_SECONDS, .times = 1};
	int row;

	while ((row = options_next(&reader, rows, sizeof(rows) / sizeof(*rows))) >= 0) {
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
		else
			how.times = (unsigned)strtoul(reader.value, NULL, 10);
	}
	if (row != OPTIONS_END || reader.at < argc)
		return refuse(row == OPTIONS_BAD ? reader.error : "its words are options only");
	if (!how.what || !(how.timeout_seconds > 0 && how.timeout_seconds <= 3600) || !how.times || how.times > MOST_TIMES)
		return refuse("--try is missing, or --timeout or --times is no number above 0");
	return try_main(&how, (const char *const *)environ);
}
