/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the file again in a process whose options and variables may be overwritten or long gone: copies
 * are kept from the start.
 */
#include "base/dependency_set.h"
#include "base/settings_table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* immutable after settings_remember, which runs before the agent is forked */
static struct {
	struct settings loaded;
	int argc;
	char **argv, **environment; /* NULL at the end; owner: this file */
} origin;

/* One thread reads settings: the supervisor, then each agent's sampler. */
static struct dependency_set *offered, *accepted;

void settings_offer_dependencies(struct dependency_set *set)
{
	free(offered);
	offered = set;
}

void settings_accept_dependencies(void)
{
	if (!offered)
		return;
	free(accepted);
	accepted = offered;
	offered = NULL;
}

const struct dependency_set *settings_dependencies(void)
{
	return accepted;
}

static void free_words(char **words)
{
	for (char **word = words; word && *word; word++)
		free(*word);
	free(words);
}

static char **copy_words(const char *const *words)
{
	size_t count = 0;
	char **copies;

	while (words && words[count])
		count++;
	copies = calloc(count + 1, sizeof(*copies));
	for (size_t i = 0; copies && i < count; i++) {
		copies[i] = strdup(words[i]);
		if (!copies[i]) {
			free_words(copies);
			return NULL;
		}
	}
	return copies;
}

int settings_remember(const struct settings *loaded, int argc, char **argv, const char *const *environment)
{
	char **words = copy_words((const char *const *)argv), **variables = copy_words(environment);

	if (!words || !variables) {
		free_words(words);
		free_words(variables);
		return -ENOMEM;
	}
	free_words(origin.argv);
	free_words(origin.environment);
	origin.loaded = *loaded;
	origin.argc = argc;
	origin.argv = words;
	origin.environment = variables;
	settings_accept_dependencies();
	return 0;
}

static const char *name_of(const struct setting *row)
{
	return row->key ? row->key : row->option.name;
}

/* What the process was born with is compared with what was loaded then: `now` may have been completed since. */
static int keep_fixed(const struct settings *now, struct settings *next, struct complaints *why)
{
	for (unsigned i = 0; i < settings_rows; i++) {
		const struct setting *row = &settings_table[i];
		char *field = (char *)next + row->offset;

		if (!row->fixed)
			continue;
		if (memcmp(field, (const char *)&origin.loaded + row->offset, row->bytes))
			complaints_add(why, "%s: %s cannot change while the service runs; restart it for that",
				next->config, name_of(row));
		memcpy(field, (const char *)now + row->offset, row->bytes);
	}
	next->listens = now->listens;
	next->listen_asked = now->listen_asked;
	return why->count ? -EINVAL : 0;
}

int settings_reload(const struct settings *now, struct settings *next, char *error, size_t error_bytes)
{
	struct settings fresh;
	struct complaints why;
	int operand;

	if (!origin.argv || !origin.loaded.config[0]) {
		(void)snprintf(error, error_bytes,
			"no file was given by --config or LIFESIGN_CONFIG"); /* cut when long */
		return -ENOENT;
	}
	if (settings_load(&fresh, origin.argc, origin.argv, (const char *const *)origin.environment, &operand,
		    &why) ||
		keep_fixed(now, &fresh, &why)) {
		complaints_summarize(&why, error, error_bytes);
		return -EINVAL;
	}
	settings_accept_dependencies();
	*next = fresh;
	return 0;
}
