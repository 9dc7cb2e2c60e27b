/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lays a configuration file over settings: the tree of config.c is walked along the keys of the one table.
 * A value that is not allowed is complained of and skipped, so that one run tells everything.
 */
#include "base/settings_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/dependency_set.h"
#include "base/text.h"

enum { PATH = 64, LEVEL = 320 };

struct walk {
	struct settings *settings;
	const char *file;
	struct complaints *why;
};

static void walk_map(struct walk *walk, const struct config_node *map, const char *path);

static void complain(struct walk *walk, const struct config_node *node, const char *path, const char *reason)
{
	complaints_add(walk->why, "%s:%u: %s%s%s", walk->file, node->line, path, *path ? ": " : "", reason);
}

static void complain_of_kind(
	struct walk *walk, const struct config_node *node, const char *path, const char *allowed)
{
	static const char *const kinds[] = {"a single value", "a list", "keys"};
	const char *found = kinds[node->kind];
	char reason[COMPLAINT_TEXT];

	if (config_is_null(node))
		found = "nothing";
	if (node->kind == CONFIG_LIST && !node->first)
		found = "an empty list";
	(void)snprintf(reason, sizeof(reason), "found %s, allowed: %s", found, allowed); /* both are bounded */
	complain(walk, node, path, reason);
}

static const struct setting *find_row(const char *path)
{
	for (unsigned row = 0; row < settings_rows; row++)
		if (settings_table[row].key && !strcmp(settings_table[row].key, path))
			return &settings_table[row];
	return NULL;
}

/* Is there a row below this path? "" is the top. */
static bool is_section(const char *path)
{
	size_t length = strlen(path);

	for (unsigned row = 0; row < settings_rows; row++) {
		const char *key = settings_table[row].key;

		if (key && !strncmp(key, path, length) && key[length] == '.')
			return true;
	}
	return false;
}

/* The part of a row's key that is one step below `path`, NULL when it is elsewhere. */
static const char *step_below(const char *key, const char *path, char step[PATH])
{
	size_t length = strlen(path);

	if (!key || strncmp(key, path, length) || (length && key[length++] != '.'))
		return NULL;
	(void)snprintf(step, PATH, "%.*s", (int)strcspn(key + length, "."), key + length); /* keys are short */
	return step;
}

/* What stands at the top beside the table: dependency_file.c takes the first two, take_node the third. */
static const char *const lists[] = {"dependencies", "groups", "failOpen"};

static bool is_list_of_dependencies(const char *path)
{
	return !strcmp(path, lists[0]) || !strcmp(path, lists[1]);
}

static void complain_of_key(struct walk *walk, const struct config_node *node, const char *path)
{
	struct text_nearest nearest = {.word = node->key};
	char steps[64][PATH], allowed[LEVEL] = "";
	unsigned count = 0;
	size_t used = 0;

	for (unsigned row = 0; row < settings_rows && count < 64; row++) {
		const char *step = step_below(settings_table[row].key, path, steps[count]);

		if (!step || (count && !strcmp(step, steps[count - 1])))
			continue;
		if (used < sizeof(allowed))
			used += (size_t)snprintf(
				allowed + used, sizeof(allowed) - used, "%s%s", used ? ", " : "", step);
		text_offer(&nearest, steps[count++]);
	}
	for (unsigned i = 0; !*path && i < sizeof(lists) / sizeof(lists[0]); i++) {
		text_offer(&nearest, lists[i]);
		if (used < sizeof(allowed))
			used += (size_t)snprintf(allowed + used, sizeof(allowed) - used, ", %s", lists[i]);
	}
	complaints_add(walk->why, "%s:%u: unknown key '%.64s'%s%s%s%s%s, allowed: %s", walk->file, node->line,
		node->key, *path ? " in " : "", path, nearest.best ? " (did you mean '" : "",
		nearest.best ? nearest.best : "", nearest.best ? "'?)" : "", allowed);
}

/* Words may stand in quotes, numbers and switches may not: "8080" is a text. */
static bool may_be_quoted(const struct setting *row, const char *text)
{
	switch (row->type) {
	case SETTING_TEXT:
	case SETTING_NAME:
	case SETTING_ENUM: return true;
	case SETTING_PORT: return !strcmp(text, "none");
	case SETTING_DEBUG: return !strcmp(text, "all");
	default: return false;
	}
}

static void take_scalar(struct walk *walk, const struct setting *row, const struct config_node *node)
{
	char reason[COMPLAINT_TEXT], allowed[160];

	if (node->kind != CONFIG_SCALAR || config_is_null(node)) {
		setting_allowed(row, allowed, sizeof(allowed));
		complain_of_kind(walk, node, row->key, allowed);
		return;
	}
	if (node->quoted && !may_be_quoted(row, node->text)) {
		setting_allowed(row, allowed, sizeof(allowed));
		(void)snprintf(
			reason, sizeof(reason), "found text in quotes, allowed: %s", allowed); /* bounded */
		complain(walk, node, row->key, reason);
		return;
	}
	if (setting_set(row, walk->settings, node->text, reason, sizeof(reason)))
		complain(walk, node, row->key, reason);
}

static void take_list(struct walk *walk, const struct setting *row, const struct config_node *node)
{
	char reason[COMPLAINT_TEXT], allowed[160];

	setting_allowed(row, allowed, sizeof(allowed));
	if (node->kind != CONFIG_LIST || !node->first) {
		complain_of_kind(walk, node, row->key, allowed);
		return;
	}
	setting_clear(row, walk->settings);
	for (const struct config_node *item = node->first; item; item = item->next)
		if (item->kind != CONFIG_SCALAR || config_is_null(item))
			complain_of_kind(walk, item, row->key, "a text in each place of the list");
		else if (!item->wrong && setting_add(row, walk->settings, item->text, reason, sizeof(reason)))
			complain(walk, item, row->key, reason);
}

/* A list where one text with commas is as good. */
static void take_joined(struct walk *walk, const struct setting *row, const struct config_node *node)
{
	char text[SETTINGS_PEERS];
	struct config_node whole = {.kind = CONFIG_SCALAR, .line = node->line, .text = text, .quoted = true};

	if (node->kind == CONFIG_LIST && config_join(node, text, sizeof(text)))
		take_scalar(walk, row, &whole);
	else
		take_scalar(walk, row, node);
}

static void take_node(struct walk *walk, const struct config_node *node, const char *above)
{
	const struct setting *row;
	char path[PATH * 2];

	if (strlen(node->key) >= PATH || strchr(node->key, '.')) {
		complain_of_key(walk, node, above);
		return;
	}
	if (!*above && !strcmp(node->key, "failOpen"))
		above = "readiness"; /* whoever thinks of it as a thing of its own is right, too */
	(void)snprintf(path, sizeof(path), "%s%s%s", above, *above ? "." : "",
		node->key); /* fits: known paths are short */
	row = find_row(path);
	if (node->wrong && (row || is_section(path)))
		return;
	if (row && setting_is_list(row))
		take_list(walk, row, node);
	else if (row)
		(row->joined ? take_joined : take_scalar)(walk, row, node);
	else if (is_list_of_dependencies(path))
		return;
	else if (!is_section(path))
		complain_of_key(walk, node, above);
	else if (node->kind == CONFIG_MAP)
		walk_map(walk, node, path);
	else if (!config_is_null(node)) /* a section whose keys are all commented out says nothing */
		complain_of_kind(walk, node, path, "keys below it");
}

static void walk_map(struct walk *walk, const struct config_node *map, const char *path)
{
	for (const struct config_node *node = map->first; node; node = node->next)
		take_node(walk, node, path);
}

static const struct config_node *find(const struct config_node *map, const char *key)
{
	const struct config_node *node = map && map->kind == CONFIG_MAP ? map->first : NULL;

	while (node && strcmp(node->key, key))
		node = node->next;
	return node;
}

/* It may stand at either place, but one of the two would count for siblings and the other for the rest. */
static void refuse_two_fail_opens(const struct walk *walk, const struct config_node *root)
{
	const struct config_node *top = find(root, "failOpen"), *below = find(find(root, "readiness"), "failOpen");

	if (top && below)
		complaints_add(walk->why, "%s:%u: found failOpen twice, allowed: at the top (line %u) or in readiness", walk->file, below->line,
			top->line);
}

static unsigned long line_of(const char *text, size_t name_bytes)
{
	return text[name_bytes] == ':' ? strtoul(text + name_bytes + 1, NULL, 10) : 0;
}

/* The reader's complaints came first: all from index `from` on are put in the file's order. */
static void sort_by_line(struct complaints *why, unsigned from, size_t name_bytes)
{
	for (unsigned i = from + 1; i < why->count; i++) {
		char text[COMPLAINT_TEXT];
		unsigned at = i;

		memcpy(text, why->text[i], sizeof(text));
		for (; at > from && line_of(why->text[at - 1], name_bytes) > line_of(text, name_bytes); at--)
			memcpy(why->text[at], why->text[at - 1], sizeof(text));
		memcpy(why->text[at], text, sizeof(text));
	}
}

/* Only what others need to know of them without having them. */
static void take_dependencies(struct settings *settings, const struct config_document *document, struct complaints *why)
{
	struct dependency_set *set = dependency_set_of(document, why);

	settings_offer_dependencies(set);
	if (!set)
		return;
	settings->dependencies = set->count;
	settings->dependencies_epoch = set->epoch;
}

static struct stat seen; /* the file as it was when it was read last; owner: the one thread that reads settings */

bool settings_file_changed(const char *path)
{
	struct stat now;

	if (stat(path, &now) < 0)
		return false; /* being replaced, or gone: what was read stays */
	return now.st_mtim.tv_sec != seen.st_mtim.tv_sec || now.st_mtim.tv_nsec != seen.st_mtim.tv_nsec || now.st_ino != seen.st_ino ||
	       now.st_size != seen.st_size;
}

void settings_read_file(
	struct settings *settings, const char *path, const char *const *environment, struct complaints *why)
{
	struct walk walk = {.settings = settings, .file = path, .why = why};
	struct config_document document;

	unsigned before = why->count;

	if (stat(path, &seen) < 0) /* before it is read: what is written meanwhile is read once more */
		memset(&seen, 0, sizeof(seen));
	/* Also after complaints: what could be read of the tree is looked at too. */
	(void)config_read_file(path, environment, &document, why);
	if (document.root && document.root->kind == CONFIG_MAP)
		walk_map(&walk, document.root, "");
	else if (document.root && !config_is_null(document.root))
		complain_of_kind(&walk, document.root, "", "keys, as in \"service: orders\"");
	refuse_two_fail_opens(&walk, document.root);
	take_dependencies(settings, &document, why);
	config_free(&document);
	sort_by_line(why, before, strlen(path));
}
