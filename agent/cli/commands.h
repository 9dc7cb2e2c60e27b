/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The subcommands: each takes its words with argv[0] = its name and returns the exit status.
 * Threads: main. Failure: a line on stderr that starts `lifesign:` and a status of the contract.
 */
#ifndef LS_COMMANDS_H
#define LS_COMMANDS_H

#include <sys/types.h>

#include "base/options.h"
#include "base/settings.h"

/* Statuses that are the program's own; sysexits.h where it has a word for it. */
enum { EXIT_NO_AGENT = 3, EXIT_USAGE = 64, EXIT_PORT_TAKEN = 69, EXIT_NOT_PERMITTED = 77, EXIT_CONFIG = 78 };

struct command {
	const char *name;
	int (*main)(int argc, char **argv);
	const char *about;                /* one line of `lifesign help` */
	const char *usage;                /* what follows the name */
	const char *notes;                /* paragraphs of `lifesign help NAME` */
	const struct option_row *options; /* NULL: none; of run: the table of settings */
	unsigned option_count;
};

/* Ends with a row whose name is NULL. */
extern const struct command commands[];

int run_main(int argc, char **argv);
int agent_command_main(int argc, char **argv);
int status_main(int argc, char **argv);
int explain_main(int argc, char **argv);
int check_main(int argc, char **argv);
int config_main(int argc, char **argv);
int probe_main(int argc, char **argv);
int maintenance_main(int argc, char **argv);
int reload_main(int argc, char **argv);
int version_main(int argc, char **argv);
int help_main(int argc, char **argv);

/* Prints `lifesign help NAME` on stdout; false when there is no such command. */
bool help_print(const char *name);

enum { CLI_OPTIONS = 8 };

/* The rows that every command which asks an agent starts with; its own rows follow. */
enum { ASK_URL, ASK_SERVICE, ASK_DIR, ASK_OWN };
enum { STATUS_JSON = ASK_OWN, STATUS_WATCH };
enum { MAINTENANCE_FOR = ASK_OWN };
enum { PROBE_CONFIG, PROBE_TIMEOUT_SECONDS, PROBE_TIMES };
enum { CONFIG_DOWN = ASK_OWN };
enum { EXPLAIN_JSON = ASK_OWN };
enum { CHECK_STRICT = ASK_OWN, CHECK_NAGIOS };

struct cli_words {
	const char *options[CLI_OPTIONS]; /* by row of the command's table; "" for a switch that was given */
	int operands;                     /* argv[1] to argv[operands] after cli_read_words */
};

/* Reads options and operands in any order. -1 to go on, else the exit status: all was printed. */
int cli_read_words(struct cli_words *out, int argc, char **argv);

const struct command *cli_find_command(const char *name); /* NULL: there is none */
int cli_refuse_command(const char *name);                 /* EXIT_USAGE, after saying so */

/* A process's or thread's number: false for anything else. */
bool cli_read_pid(const char *word, pid_t *pid);

/* A line on stderr: "lifesign: …". */
void cli_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

void cli_complain_all(const struct complaints *why);

/*
 * For `run`: options, variables and file into `out`, remembered for reloads. Returns -1 to go on, else the exit
 * status (0 after --help): everything that had to be said was printed.
 */
int cli_load_settings(struct settings *out, int argc, char **argv, int *first_operand);

#endif
