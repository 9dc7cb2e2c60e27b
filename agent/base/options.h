/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a command's options: `--name value`, `--name=value`, switches that need no value; `--` or the
 * first operand ends them. Rows may be shared with a bigger table: only their name and kind are looked at.
 * Threads: any. Failure: one sentence in `error`. Memory: values point into argv.
 */
#ifndef LS_OPTIONS_H
#define LS_OPTIONS_H

#include <stdbool.h>

enum option_kind { OPTION_SWITCH, OPTION_VALUE, OPTION_EITHER }; /* EITHER: --debug or --debug=all */

struct option_row {
	const char *name; /* without dashes; NULL rows are skipped */
	enum option_kind kind;
	const char *argument; /* what the value is called in help */
	const char *help;     /* NULL: not shown */
};

struct option_reader {
	int argc;
	char **argv;
	int at;            /* next word; the first operand once OPTIONS_END was returned */
	const char *value; /* of the row just returned; NULL for a switch without one */
	char error[256];
};

enum { OPTIONS_END = -1, OPTIONS_HELP = -2, OPTIONS_BAD = -3 };

/* Index of the row that comes next, or one of the above. Start with at = 1. */
int options_next(struct option_reader *reader, const struct option_row *rows, unsigned count);

#endif
