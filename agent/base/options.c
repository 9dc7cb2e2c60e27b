/* SPDX-License-Identifier: Apache-2.0 */
#include "base/options.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

static int find(const struct option_row *rows, unsigned count, const char *name, size_t length)
{
	for (unsigned row = 0; row < count; row++)
		if (rows[row].name && strlen(rows[row].name) == length && !memcmp(rows[row].name, name, length))
			return (int)row;
	return -1;
}

static int refuse_unknown(struct option_reader *reader, const struct option_row *rows, unsigned count,
	const char *word, size_t length)
{
	char name[64];
	struct text_nearest nearest = {.word = name + 2};
	bool dashes = length > 2 && !strncmp(word, "--", 2);

	(void)snprintf(name, sizeof(name), "%.*s", (int)length, word); /* cut: then nothing is near */
	for (unsigned row = 0; dashes && row < count; row++)
		if (rows[row].name)
			text_offer(&nearest, rows[row].name);
	if (dashes)
		text_offer(&nearest, "help");
	if (nearest.best)
		(void)snprintf(reader->error, sizeof(reader->error),
			"unknown option '%s' (did you mean '--%s'?)", name,
			nearest.best); /* short: both are bounded */
	else
		(void)snprintf(reader->error, sizeof(reader->error), "unknown option '%s'", name); /* short */
	text_sanitize(reader->error);
	return OPTIONS_BAD;
}

/* The value is what follows '=', or the next word unless that is an option too. */
static int take_value(struct option_reader *reader, const struct option_row *row, const char *equals)
{
	if (equals) {
		reader->value = equals + 1;
		return 0;
	}
	if (row->kind != OPTION_VALUE)
		return 0;
	if (reader->at < reader->argc && strncmp(reader->argv[reader->at], "--", 2)) {
		reader->value = reader->argv[reader->at++];
		return 0;
	}
	(void)snprintf(reader->error, sizeof(reader->error), "option '--%s' needs a value: %s", row->name,
		row->argument ? row->argument : "VALUE"); /* both are short constants */
	return OPTIONS_BAD;
}

int options_next(struct option_reader *reader, const struct option_row *rows, unsigned count)
{
	const char *word = reader->at < reader->argc ? reader->argv[reader->at] : NULL, *equals;
	size_t length;
	int row;

	reader->value = NULL;
	if (!word || word[0] != '-' || !word[1])
		return OPTIONS_END;
	reader->at++;
	if (!strcmp(word, "--"))
		return OPTIONS_END;
	if (!strcmp(word, "--help") || !strcmp(word, "-h"))
		return OPTIONS_HELP;
	equals = strchr(word, '=');
	length = equals ? (size_t)(equals - word) : strlen(word);
	row = length > 2 && word[1] == '-' ? find(rows, count, word + 2, length - 2) : -1;
	if (row < 0)
		return refuse_unknown(reader, rows, count, word, length);
	return take_value(reader, &rows[row], equals) ? OPTIONS_BAD : row;
}
