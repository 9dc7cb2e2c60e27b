/* SPDX-License-Identifier: Apache-2.0 */
#include "base/settings_table.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ROWS_MOST = 64 };

static bool failed(const struct complaints *why)
{
	return why->count > 0;
}

void settings_set_defaults(struct settings *settings)
{
	char why[COMPLAINT_TEXT];

	memset(settings, 0, sizeof(*settings));
	for (unsigned row = 0; row < settings_rows; row++)
		if (settings_table[row].standard)
			(void)setting_set(&settings_table[row], settings, settings_table[row].standard, why,
				sizeof(why)); /* a unit test sets every default */
}

/* LIFESIGN_OBSERVE=1, as it is written in environments everywhere. */
static const char *switch_word(const struct setting *row, const char *value)
{
	bool is_switch = row->type == SETTING_SWITCH || row->type == SETTING_OBSERVE || row->type == SETTING_DEBUG;

	if (is_switch && !strcmp(value, "1"))
		return "true";
	return is_switch && !strcmp(value, "0") ? "false" : value;
}

void settings_read_variables(struct settings *settings, const char *const *environment, struct complaints *why)
{
	for (unsigned row = 0; row < settings_rows; row++) {
		const char *name = settings_table[row].variable,
			   *value = name ? config_variable(environment, name) : NULL;
		char reason[COMPLAINT_TEXT];

		if (!value || !*value) /* empty counts as not set, as with NO_COLOR */
			continue;
		value = switch_word(&settings_table[row], value);
		if (setting_set(&settings_table[row], settings, value, reason, sizeof(reason)))
			complaints_add(why, "variable %s: %s", name, reason);
	}
}

/* One option as it was met; the first of a list replaces what lower layers said. */
static int take_option(struct settings *settings, const struct setting *row, const char *value, bool first,
	char *why, size_t why_bytes)
{
	if (!value)
		value = "true";
	if (!setting_is_list(row))
		return setting_set(row, settings, value, why, why_bytes);
	if (first)
		setting_clear(row, settings);
	return setting_add(row, settings, value, why, why_bytes);
}

int settings_read_options(
	struct settings *settings, int argc, char **argv, int *first_operand, struct complaints *why)
{
	struct option_row rows[ROWS_MOST];
	struct option_reader reader = {.argc = argc, .argv = argv, .at = 1};
	bool seen[ROWS_MOST] = {false};
	int next;

	for (unsigned row = 0; row < settings_rows; row++)
		rows[row] = settings_table[row].option;
	while ((next = options_next(&reader, rows, settings_rows)) >= 0) {
		const struct setting *row = &settings_table[next];
		char reason[COMPLAINT_TEXT];

		if (take_option(settings, row, reader.value, !seen[next], reason, sizeof(reason)))
			complaints_add(why, "option '--%s': %s", row->option.name, reason);
		seen[next] = true;
	}
	if (next == OPTIONS_BAD)
		complaints_add(why, "%s", reader.error);
	*first_operand = reader.at;
	return next == OPTIONS_END && failed(why) ? OPTIONS_BAD : next;
}

int settings_default_dir(const char *const *environment, unsigned uid, char *out, size_t bytes)
{
	const char *runtime = config_variable(environment, "RUNTIME_DIRECTORY");
	const char *session = config_variable(environment, "XDG_RUNTIME_DIR");
	int used;

	if (runtime && *runtime) /* systemd joins several with colons */
		used = snprintf(out, bytes, "%.*s", (int)strcspn(runtime, ":"), runtime);
	else if (!uid)
		used = snprintf(out, bytes, "/run/lifesign");
	else if (session && *session)
		used = snprintf(out, bytes, "%s/lifesign", session);
	else
		used = snprintf(out, bytes, "/tmp/lifesign-%u", uid);
	return used >= 0 && (size_t)used < bytes ? 0 : -ENAMETOOLONG;
}

/* What follows from the environment when no layer said anything, and what follows from other settings. */
static void settle(struct settings *settings, const char *const *environment, struct complaints *why)
{
	settings->listen_asked = settings->listens > 0;
	if (!settings->listen_asked) {
		const char *pod = config_variable(environment, "KUBERNETES_SERVICE_HOST");

		settings->listens = 1;
		strcpy(settings->listen[0], pod && *pod ? ":8081" : "127.0.0.1:8081");
	}
	if (!settings->dir[0] &&
		settings_default_dir(environment, geteuid(), settings->dir, sizeof(settings->dir)))
		complaints_add(why,
			"variable RUNTIME_DIRECTORY or XDG_RUNTIME_DIR: too long; name a directory by --dir");
	settings->observe = settings->liveness.mode == LIVENESS_OBSERVE;
}

/* `agent` has a segment for each of its services, which are many. */
static void set_defaults_of(struct settings *settings, const char *command)
{
	enum { SLOTS_OF_MANY = 512 };

	settings_set_defaults(settings);
	if (strcmp(command, "agent") == 0)
		settings->slots = SLOTS_OF_MANY;
}

enum settings_result settings_load(struct settings *out, int argc, char **argv, const char *const *environment,
	int *first_operand, struct complaints *why)
{
	struct settings options, next;
	int end;

	memset(why, 0, sizeof(*why));
	set_defaults_of(&options, argv[0]);
	end = settings_read_options(&options, argc, argv, first_operand, why);
	if (end != OPTIONS_END)
		return end == OPTIONS_HELP ? SETTINGS_HELP : SETTINGS_USAGE;

	set_defaults_of(&next, argv[0]);
	settings_read_variables(&next, environment, why);
	if (options.config[0])
		strcpy(next.config, options.config); /* same size */
	if (next.config[0]) {
		struct complaints again = {0}; /* variables were complained of already */

		settings_read_file(&next, next.config, environment, why);
		settings_read_variables(&next, environment, &again);
	}
	(void)settings_read_options(&next, argc, argv, first_operand, why); /* went well above */
	settle(&next, environment, why);
	if (failed(why))
		return SETTINGS_CONFIG;
	*out = next;
	return SETTINGS_OK;
}

enum settings_result settings_check_file(
	const char *path, const char *const *environment, struct complaints *why)
{
	struct settings scratch;

	memset(why, 0, sizeof(*why));
	settings_set_defaults(&scratch);
	settings_read_file(&scratch, path, environment, why);
	return failed(why) ? SETTINGS_CONFIG : SETTINGS_OK;
}

void settings_name_service(char out[SERVICE_NAME_BYTES], const char *command)
{
	static const char fit[] = "._-+@0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	const char *slash = strrchr(command, '/'), *name = slash ? slash + 1 : command;
	size_t used = 0;

	name += strcspn(name, fit + 5); /* starts with a letter or digit */
	for (; *name && used < SERVICE_NAME_BYTES - 1; name++)
		out[used++] = strchr(fit, *name) ? *name : '-';
	memset(out + used, 0, SERVICE_NAME_BYTES - used);
	if (!used)
		strcpy(out, "service");
}
