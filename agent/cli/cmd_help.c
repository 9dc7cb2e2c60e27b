/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/commands.h"

static void print_options(const struct command *command)
{
	printf("\nOptions:\n");
	if (command->main == run_main || command->main == agent_command_main)
		settings_print_options();
	for (unsigned row = 0; row < command->option_count; row++) {
		const struct option_row *option = &command->options[row];
		char name[64];

		(void)snprintf(name, sizeof(name), option->argument ? "--%s %s" : "--%s", option->name,
			option->argument ? option->argument : ""); /* short constants */
		printf("  %-22s%s\n", name, option->help);
	}
	printf("  %-22s%s\n", "--help", "this");
}

static void print_command(const struct command *command)
{
	printf("Usage: lifesign %s%s%s\n\n%s\n", command->name, *command->usage ? " " : "", command->usage,
		command->about);
	if (*command->notes)
		printf("\n%s\n", command->notes);
	if (command->options && !strcmp(command->options[0].name, "url"))
		printf("\nLooks at --url, then at LIFESIGN_LISTEN, then for unix sockets in DIR:\n"
		       "$RUNTIME_DIRECTORY, else /run/lifesign (root), else $XDG_RUNTIME_DIR/lifesign,\n"
		       "else /tmp/lifesign-UID.\n");
	print_options(command);
}

static void print_commands(void)
{
	printf("Usage: lifesign COMMAND [OPTIONS] …\n\n"
	       "Answers health probes for a service that nobody may change.\n\nCommands:\n");
	for (const struct command *command = commands; command->name; command++)
		printf("  %-13s%s\n", command->name, command->about);
	printf("\n'lifesign help COMMAND' tells more. First steps:\n"
	       "  lifesign run -- redis-server       in one terminal\n"
	       "  lifesign status                    in another\n"
	       "  curl http://127.0.0.1:8081/readyz\n");
}

bool help_print(const char *name)
{
	const struct command *command = cli_find_command(name);

	if (command)
		print_command(command);
	return command;
}

int cli_refuse_command(const char *name)
{
	struct text_nearest nearest = {.word = name};

	for (const struct command *command = commands; command->name; command++)
		text_offer(&nearest, command->name);
	if (name[0] == '-')
		cli_complain("unknown option '%.64s'; see 'lifesign help'", name);
	else if (nearest.best)
		cli_complain("unknown command '%.64s' (did you mean '%s'?); see 'lifesign help'", name,
			nearest.best);
	else
		cli_complain("unknown command '%.64s'; see 'lifesign help'", name);
	return EXIT_USAGE;
}

int help_main(int argc, char **argv)
{
	struct cli_words words;
	int status = cli_read_words(&words, argc, argv);

	if (status >= 0)
		return status;
	if (!words.operands) {
		print_commands();
		return 0;
	}
	if (words.operands > 1) {
		cli_complain("help takes one command; see 'lifesign help help'");
		return EXIT_USAGE;
	}
	return help_print(argv[1]) ? 0 : cli_refuse_command(argv[1]);
}
