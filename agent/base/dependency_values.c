/* SPDX-License-Identifier: Apache-2.0 */
/* How each type of a dependency's keys is written, and what is said when it is written wrongly. */
#include "base/dependency_table.h"

#include <errno.h>
#include <math.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct taking {
	struct dependency *out;
	const struct dependency_key *key;
	char *why;
	size_t why_bytes;
};

static int refuse(struct taking *taking, const char *found, const char *allowed)
{
	if (*found)
		(void)snprintf(taking->why, taking->why_bytes, "found '%.100s', allowed: %s", found, allowed); /* cut */
	else
		(void)snprintf(taking->why, taking->why_bytes, "found nothing, allowed: %s", allowed);
	return -EINVAL;
}

static void *field(struct taking *taking)
{
	return (char *)taking->out + taking->key->offset;
}

static int take_text(struct taking *taking, const char *text)
{
	char allowed[64];

	(void)snprintf(allowed, sizeof(allowed), "text of 1 to %zu bytes", taking->key->bytes - 1);
	if (!*text || strlen(text) >= taking->key->bytes)
		return refuse(taking, strcmp(taking->key->name, "url") ? text : "a longer one", allowed);
	strcpy(field(taking), text); /* fits */
	return 0;
}

static int take_file(struct taking *taking, const char *path)
{
	struct stat status;

	if (take_text(taking, path))
		return -EINVAL;
	if (!access(path, R_OK) && !stat(path, &status)) {
		if (!S_ISDIR(status.st_mode))
			return 0;
		errno = EISDIR;
	}
	(void)snprintf(taking->why, taking->why_bytes, "'%.200s' cannot be read (%s)", path, strerror(errno)); /* cut */
	return -EINVAL;
}

static int take_switch(struct taking *taking, const struct config_node *node)
{
	if (node->quoted || (strcmp(node->text, "true") && strcmp(node->text, "false")))
		return refuse(taking, node->text, "true or false");
	*(bool *)field(taking) = !strcmp(node->text, "true");
	return 0;
}

static int take_number(struct taking *taking, const struct config_node *node)
{
	bool seconds = taking->key->type == KEY_SECONDS;
	const char *fit = seconds ? "0123456789." : "0123456789.+-eE", *allowed = seconds ? "seconds from 0 to 3600" : "a number";
	char *end;
	double number;

	if (node->quoted || !*node->text || strspn(node->text, fit) != strlen(node->text))
		return refuse(taking, node->text, allowed);
	number = strtod(node->text, &end);
	if (*end || !isfinite(number) || (seconds && number > 3600))
		return refuse(taking, node->text, allowed);
	*(double *)field(taking) = number;
	if (taking->key->type == KEY_NUMBER)
		*((bool *)taking->out + taking->key->has) = true;
	return 0;
}

/* "a, b, c" */
static void join(const char *const *words, char *out, size_t bytes)
{
	size_t used = 0;

	*out = 0;
	for (unsigned i = 0; words ? words[i] != NULL : i < DEPENDENCY_PEERS; i++)
		used += (size_t)snprintf(
			out + used, bytes - used, "%s%s", i ? ", " : "", words ? words[i] : dependency_kinds[i].name); /* they fit */
}

static int take_word(struct taking *taking, const char *text)
{
	const char *const *words = taking->key->words;
	char allowed[160];

	for (unsigned i = 0; words ? words[i] != NULL : i < DEPENDENCY_PEERS; i++) {
		if (!strcmp(words ? words[i] : dependency_kinds[i].name, text)) {
			memcpy(field(taking), &i, sizeof(i)); /* an enum */
			return 0;
		}
	}
	join(words, allowed, sizeof(allowed));
	return refuse(taking, text, allowed);
}

void dependency_tell_kinds(const char *url, char *out, size_t bytes)
{
	const char *end = strstr(url, "://");
	char allowed[160];

	join(NULL, allowed, sizeof(allowed));
	if (end)
		(void)snprintf(out, bytes, "key 'kind' is missing, and '%.*s://' does not say it, allowed: %s",
			end - url < 32 ? (int)(end - url) : 32, url, allowed); /* cut when long */
	else
		(void)snprintf(out, bytes, "key 'kind' is missing, and no scheme of a 'url' says it, allowed: %s", allowed);
}

static int add_need(struct taking *taking, const char *name)
{
	if (taking->out->need_count == DEPENDENCY_NEEDS || !*name || strlen(name) >= DEPENDENCY_NAME)
		return refuse(taking, name, "1 to 8 names of other dependencies");
	strcpy(taking->out->needs[taking->out->need_count++], name); /* fits */
	return 0;
}

/* 200, 200-299 */
static int add_status(struct taking *taking, const char *text)
{
	unsigned *count = &taking->out->status_count, from, to;
	char *end;

	if (strspn(text, "0123456789-") != strlen(text) || *text == '-' || !*text || *count == DEPENDENCY_STATUSES)
		return refuse(taking, text, "1 to 8 of 200 or \"200-299\"");
	from = to = (unsigned)strtoul(text, &end, 10);
	if (*end == '-')
		to = (unsigned)strtoul(end + 1, &end, 10);
	if (*end || from < 100 || to > 599 || from > to)
		return refuse(taking, text, "statuses from 100 to 599, 200 or \"200-299\"");
	taking->out->statuses[*count].from = from;
	taking->out->statuses[(*count)++].to = to;
	return 0;
}

static int add_word(struct taking *taking, const char *text)
{
	if (taking->out->word_count == DEPENDENCY_WORDS || strlen(text) >= DEPENDENCY_TEXT)
		return refuse(taking, text, "a list of 1 to 16 words of at most 255 bytes");
	strcpy(taking->out->words[taking->out->word_count++], text); /* fits */
	return 0;
}

static int take_pattern(struct taking *taking, const char *text)
{
	regex_t compiled;
	int error;

	if (take_text(taking, text))
		return -EINVAL;
	error = regcomp(&compiled, text, REG_EXTENDED | REG_NOSUB);
	if (error)
		return refuse(taking, text, "an extended regular expression");
	regfree(&compiled);
	return 0;
}

static int take_pointer(struct taking *taking, const char *text)
{
	if (*text && *text != '/')
		return refuse(taking, text, "a JSON pointer, as in /queue/length");
	return take_text(taking, text);
}

static int take_list(
	struct taking *taking, const struct config_node *node, int (*add)(struct taking *, const char *), const char *allowed)
{
	if (node->kind == CONFIG_SCALAR)
		return add(taking, node->text);
	if (node->kind != CONFIG_LIST || !node->first)
		return refuse(taking, node->kind == CONFIG_MAP ? "keys" : "an empty list", allowed);
	for (const struct config_node *item = node->first; item; item = item->next) {
		if (item->kind != CONFIG_SCALAR || config_is_null(item))
			return refuse(taking, "something else in the list", allowed);
		if (add(taking, item->text))
			return -EINVAL;
	}
	return 0;
}

static int take_command(struct taking *taking, const struct config_node *node)
{
	if (taking->out->kind == DEPENDENCY_EXEC)
		return node->kind == CONFIG_LIST ? take_list(taking, node, add_word, "a list of words")
						 : refuse(taking, "no list", "a list of words, as in [\"/usr/lib/check\", \"-w\", \"5\"]");
	return node->kind == CONFIG_SCALAR ? take_text(taking, node->text)
					   : refuse(taking, "a list", "one line, as in \"LLEN jobs\"");
}

int dependency_take(
	struct dependency *out, const struct dependency_key *key, const struct config_node *node, char *why, size_t why_bytes)
{
	struct taking taking = {out, key, why, why_bytes};

	if (config_is_null(node))
		return refuse(&taking, "", "a value");
	switch (key->type) {
	case KEY_NAMES: return take_list(&taking, node, add_need, "a name or a list of names");
	case KEY_STATUSES: return take_list(&taking, node, add_status, "200, \"200-299\" or a list of such");
	case KEY_COMMAND: return take_command(&taking, node);
	default: break;
	}
	if (node->kind != CONFIG_SCALAR)
		return refuse(&taking, node->kind == CONFIG_LIST ? "a list" : "keys", "a single value");
	switch (key->type) {
	case KEY_FILE: return take_file(&taking, node->text);
	case KEY_SWITCH: return take_switch(&taking, node);
	case KEY_SECONDS:
	case KEY_NUMBER: return take_number(&taking, node);
	case KEY_WORD: return take_word(&taking, node->text);
	case KEY_PATTERN: return take_pattern(&taking, node->text);
	case KEY_POINTER: return take_pointer(&taking, node->text);
	default: return take_text(&taking, node->text);
	}
}
