/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands share: complaints in the contract's form, and reading their words. */
#include "cli/commands.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

const struct command *cli_find_command(const char *name)
{
	for (const struct command *command = commands; command->name; command++)
		if (!strcmp(command->name, name))
			return command;
	return NULL;
}

bool cli_read_pid(const char *word, pid_t *pid)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(word, &end, 10);
	*pid = (pid_t)value;
	return *word >= '0' && *word <= '9' && !*end && !errno && value > 0 && value <= INT32_MAX;
}

void cli_complain(const char *format, ...)
{
	char text[COMPLAINT_TEXT * 2];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments); /* cut when too long */
	va_end(arguments);
	text_sanitize(text);
	(void)fprintf(stderr, "lifesign: %s\n", text); /* nowhere else to tell it */
}

void cli_complain_all(const struct complaints *why)
{
	for (unsigned i = 0; i < why->count; i++)
		cli_complain("%s", why->text[i]);
	if (why->unseen)
		cli_complain("… and %u more", why->unseen);
}

int cli_load_settings(struct settings *out, int argc, char **argv, int *first_operand)
{
	const char *const *environment = (const char *const *)environ;
	struct complaints why;
	enum settings_result result = settings_load(out, argc, argv, environment, first_operand, &why);

	if (result == SETTINGS_HELP)
		return help_print(argv[0]) ? 0 : EXIT_USAGE;
	if (result == SETTINGS_USAGE) {
		for (unsigned i = 0; i < why.count; i++)
			cli_complain("%s; see 'lifesign help %s'", why.text[i], argv[0]);
		return EXIT_USAGE;
	}
	if (result == SETTINGS_CONFIG) {
		cli_complain_all(&why);
		return EXIT_CONFIG;
	}
	if (settings_remember(out, argc, argv, environment)) {
		cli_complain("no memory");
		return EXIT_CONFIG;
	}
	return -1;
}

static int refuse(const char *command, const char *what)
{
	cli_complain("%s; see 'lifesign help %s'", what, command);
	return EXIT_USAGE;
}

int cli_read_words(struct cli_words *out, int argc, char **argv)
{
	const struct command *command = cli_find_command(argv[0]);
	struct option_reader reader = {.argc = argc, .argv = argv, .at = 1};
	bool ended = false;

	memset(out, 0, sizeof(*out));
	while (reader.at < argc) {
		int row = ended ? OPTIONS_END : options_next(&reader, command->options, command->option_count);

		if (row == OPTIONS_HELP)
			return help_print(argv[0]) ? 0 : EXIT_USAGE;
		if (row == OPTIONS_BAD)
			return refuse(argv[0], reader.error);
		if (row >= 0 && command->options[row].kind == OPTION_SWITCH && reader.value)
			return refuse(argv[0], "a switch takes no value");
		if (row >= 0)
			out->options[row] = reader.value ? reader.value : "";
		ended = ended || (row == OPTIONS_END && !strcmp(argv[reader.at - 1], "--"));
		if (row == OPTIONS_END && reader.at < argc)
			argv[++out->operands] = argv[reader.at++];
	}
	return -1;
}
