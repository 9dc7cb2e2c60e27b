/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The subcommands: each takes its words with argv[0] = its name and returns the exit status.
 * Threads: main. Failure: a line on stderr that starts `lifesign:` and a status of the contract.
 */
#ifndef LS_COMMANDS_H
#define LS_COMMANDS_H

#include "base/settings.h"

/* Statuses that are the program's own; sysexits.h where it has a word for it. */
enum {
	EXIT_NO_AGENT = 3,
	EXIT_USAGE = 64,
	EXIT_PORT_TAKEN = 69,
	EXIT_NOT_PERMITTED = 77,
	EXIT_CONFIG = 78
};

struct command {
	const char *name;
	int (*main)(int argc, char **argv);
	const char *about; /* one line of `lifesign help` */
};

/* Ends with a row whose name is NULL. */
extern const struct command commands[];

int run_main(int argc, char **argv);
int status_main(int argc, char **argv);
int check_main(int argc, char **argv);
int config_main(int argc, char **argv);
int reload_main(int argc, char **argv);
int version_main(int argc, char **argv);
int help_main(int argc, char **argv);

/* Prints `lifesign help NAME` on stdout; false when there is no such command. */
bool help_print(const char *name);

/* A line on stderr: "lifesign: …". */
void cli_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * For `run`: options, variables and file into `out`, remembered for reloads. Returns -1 to go on, else the exit
 * status (0 after --help): everything that had to be said was printed.
 */
int cli_load_settings(struct settings *out, int argc, char **argv, int *first_operand);

#endif
