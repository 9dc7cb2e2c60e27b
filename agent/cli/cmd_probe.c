/* SPDX-License-Identifier: Apache-2.0 */
/* Asks by the program that does it for the agent, too: what it finds here an agent finds there. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/config.h"
#include "cli/commands.h"
#include "supervise/prober.h"

static int refuse(const char *what)
{
	cli_complain("%s; see 'lifesign help probe'", what);
	return EXIT_USAGE;
}

/* Plain decimals, as in the file. */
static bool is_number(const char *text, const char *characters, double least, double most)
{
	char *end;
	double number = strtod(text, &end);

	return *text && strspn(text, characters) == strlen(text) && !*end && number >= least && number <= most;
}

/* Only says why not. */
static int run(char *const *words)
{
	char program[PATH_MAX];

	if (prober_find(program, sizeof(program)))
		(void)execv(program, words);
	cli_complain("lifesign-prober cannot be run beside lifesign: %s", strerror(errno));
	return EXIT_CONFIG;
}

int probe_main(int argc, char **argv)
{
	struct cli_words words;
	int status = cli_read_words(&words, argc, argv), count = 0;
	const char *config, *list[16];

	if (status >= 0)
		return status;
	if (words.operands != 1)
		return refuse("probe needs one URL or NAME");
	if (words.options[PROBE_TIMEOUT_SECONDS] && !is_number(words.options[PROBE_TIMEOUT_SECONDS], "0123456789.", 0.001, 3600))
		return refuse("--timeout takes seconds from 0.001 to 3600");
	if (words.options[PROBE_TIMES] && !is_number(words.options[PROBE_TIMES], "0123456789", 1, 1000000))
		return refuse("--times takes a number from 1 to 1000000");
	config = words.options[PROBE_CONFIG] ? words.options[PROBE_CONFIG]
					     : config_variable((const char *const *)environ, "LIFESIGN_CONFIG");
	list[count++] = "lifesign-prober";
	list[count++] = "--try";
	list[count++] = argv[1];
	if (!strstr(argv[1], "://")) {
		if (!config)
			return refuse("a NAME needs --config FILE");
		list[count++] = "--config";
		list[count++] = config;
	}
	for (unsigned row = PROBE_TIMEOUT_SECONDS; row <= PROBE_TIMES; row++) {
		if (!words.options[row])
			continue;
		list[count++] = row == PROBE_TIMES ? "--times" : "--timeout";
		list[count++] = words.options[row];
	}
	list[count] = NULL;
	return run((char *const *)list); /* changes none of them, its type is older than const */
}
