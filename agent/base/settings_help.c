/* SPDX-License-Identifier: Apache-2.0 */
/* What the table says about itself: the options of `help`, and the reference of configuration.md. */
#include "base/dependency_table.h"
#include "base/settings_table.h"

#include <stdio.h>
#include <string.h>

enum { COLUMN = 24, WIDTH = 80 };

/* Words up to the 80th column, further lines indented. */
static void print_wrapped(const char *text)
{
	unsigned at = COLUMN;

	while (*text) {
		unsigned length = (unsigned)strcspn(text, " ");

		if (at > COLUMN && at + 1 + length >= WIDTH)
			at = (unsigned)printf("\n%*s", COLUMN, "") - 1;
		else if (at > COLUMN)
			at += (unsigned)printf(" ");
		at += (unsigned)printf("%.*s", (int)length, text);
		text += length + strspn(text + length, " ");
	}
	printf("\n");
}

static const char *standard_of(const struct setting *row)
{
	return row->standard ? row->standard : row->standard_text ? row->standard_text : "none";
}

/* How the option and its value look: "--debug[=all]". */
static void format_option(const struct setting *row, char *out, size_t bytes)
{
	const struct option_row *option = &row->option;

	if (option->kind == OPTION_SWITCH)
		(void)snprintf(out, bytes, "--%s", option->name);
	else
		(void)snprintf(out, bytes, option->kind == OPTION_EITHER ? "--%s[=%s]" : "--%s %s",
			option->name, option->argument); /* short constants */
}

void settings_print_options(void)
{
	for (unsigned i = 0; i < settings_rows; i++) {
		const struct setting *row = &settings_table[i];
		char name[64], allowed[160], text[512];

		if (!row->option.name || row->idle)
			continue;
		format_option(row, name, sizeof(name));
		setting_allowed(row, allowed, sizeof(allowed));
		if (row->option.kind == OPTION_SWITCH)
			(void)snprintf(text, sizeof(text), "%s", row->option.help);
		else
			(void)snprintf(text, sizeof(text), "%s (%s; default: %s)", row->option.help,
				row->type == SETTING_LISTEN ? "ADDR:PORT, [v6]:PORT, :PORT or unix:/path"
							    : allowed,
				standard_of(row)); /* the table's longest fits */
		printf("  %-*s", COLUMN - 2, name);
		if (strlen(name) > COLUMN - 3)
			printf("\n%*s", COLUMN, "");
		print_wrapped(text);
	}
}

/* A cell of a Markdown table: what stands for code is between backticks. */
static void print_code(const char *text)
{
	if (text)
		printf(" `%s` |", text);
	else
		printf(" |");
}

static void print_row(const struct setting *row)
{
	char option[64], allowed[160];

	printf("|");
	print_code(row->key);
	if (row->option.name)
		format_option(row, option, sizeof(option));
	print_code(row->option.name ? option : NULL);
	print_code(row->variable);
	setting_allowed(row, allowed, sizeof(allowed));
	printf(" %s | %s | %s |\n", allowed, standard_of(row), row->option.help);
}

static void print_rows(bool idle)
{
	printf("\n| key | option | variable | allowed | default | what it is |\n|---|---|---|---|---|---|\n");
	for (unsigned i = 0; i < settings_rows; i++)
		if (settings_table[i].idle == idle)
			print_row(&settings_table[i]);
}

void settings_print_reference(void)
{
	printf("# Configuration of lifesign\n\n"
	       "Made by `lifesign config reference` from the table that the program itself reads.\n\n"
	       "An option beats a variable, a variable beats the file, the file beats the default. An empty "
	       "variable\n"
	       "counts as not set, an unknown `LIFESIGN_…` variable is ignored. In a variable a list is "
	       "separated by\n"
	       "commas, and 1 is true, 0 false. The file is YAML (JSON is YAML), given by `--config FILE`; a dot "
	       "in a key below stands for\n"
	       "nesting (`startup.port` is `startup: {port: …}`). Unknown keys, keys twice, anchors, aliases "
	       "and tags are\n"
	       "errors. In values `${X}` is the variable X, `${X:-text}` the same or text when it is unset or "
	       "empty, and\n"
	       "`$$` a dollar sign; a variable that is unset is an error. `lifesign config check FILE` tells "
	       "what is wrong.\n\n"
	       "The file is read again when it changes or on `lifesign reload`; one that is wrong changes "
	       "nothing. These\n"
	       "cannot change while the service runs, a file that tries is refused:\n");
	for (unsigned i = 0, count = 0; i < settings_rows; i++)
		if (settings_table[i].fixed && settings_table[i].key)
			printf("%s`%s`", count++ ? ", " : "", settings_table[i].key);
	printf(".\n\n## Settings\n");
	print_rows(false);
	dependency_print_reference();
	printf("\n## Taken and checked, but without effect in this version\n");
	print_rows(true);
}
