/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lifesign: finds the subcommand and runs it.
 * Threads: main. Failure: each command returns the exit status of the contract.
 */
#include <string.h>

#include "cli/commands.h"

int main(int argc, char **argv)
{
	static char help[] = "help", version[] = "version";
	static char *const alone[] = {help, NULL};
	const struct command *command;
	const char *name;

	if (argc < 2)
		return help_main(1, (char **)alone);
	name = argv[1];
	if (!strcmp(name, "--help") || !strcmp(name, "-h"))
		name = help;
	if (!strcmp(name, "--version") || !strcmp(name, "-V"))
		name = version;
	command = cli_find_command(name);
	if (!command)
		return cli_refuse_command(name);
	argv[1] = (char *)command->name; /* only read */
	return command->main(argc - 1, argv + 1);
}
