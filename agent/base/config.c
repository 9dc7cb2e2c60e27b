/* SPDX-License-Identifier: Apache-2.0 */
#include "base/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

/* One reading. `stopped`: the tree cannot be trusted any further, all was said. */
struct reading {
	yaml_parser_t parser;
	struct config_document *document;
	const char *const *environment;
	struct complaints *why;
	bool stopped;
	bool url; /* the value that comes next is one */
};

static void complain(struct reading *reading, unsigned line, const char *text)
{
	complaints_add(reading->why, "%s:%u: %s", reading->document->name, line, text);
}

static void stop(struct reading *reading, unsigned line, const char *text)
{
	if (!reading->stopped)
		complain(reading, line, text);
	reading->stopped = true;
}

static void stop_at_syntax(struct reading *reading)
{
	const yaml_parser_t *parser = &reading->parser;
	bool tab = parser->problem && strstr(parser->problem, "cannot start any token") &&
		   parser->buffer.pointer && parser->buffer.pointer[0] == '\t';

	if (!reading->stopped)
		complaints_add(reading->why, "%s:%zu: not valid YAML: %s%s%s%s", reading->document->name,
			parser->problem_mark.line + 1, parser->problem ? parser->problem : "no memory",
			parser->context ? " " : "", parser->context ? parser->context : "",
			tab ? " (a tab: YAML is indented by spaces)" : "");
	reading->stopped = true;
}

/* False when the reading has ended; the event is to be deleted otherwise. */
static bool next_event(struct reading *reading, yaml_event_t *event)
{
	if (reading->stopped)
		return false;
	if (yaml_parser_parse(&reading->parser, event))
		return true;
	stop_at_syntax(reading);
	return false;
}

static struct config_node *add_node(struct reading *reading, enum config_kind kind, unsigned line)
{
	struct config_document *document = reading->document;
	struct config_node *node;

	if (document->nodes == CONFIG_NODES) {
		char text[48];

		(void)snprintf(text, sizeof(text), "more than %d values", CONFIG_NODES); /* fits */
		stop(reading, line, text);
		return NULL;
	}
	node = calloc(1, sizeof(*node));
	if (!node) {
		stop(reading, line, "no memory");
		return NULL;
	}
	node->kind = kind;
	node->line = line;
	node->chain = document->chain;
	document->chain = node;
	document->nodes++;
	return node;
}

static struct config_node *add_scalar(struct reading *reading, const char *text, unsigned line)
{
	struct config_node *node = add_node(reading, CONFIG_SCALAR, line);

	if (!node)
		return NULL;
	node->text = strdup(text);
	if (!node->text)
		stop(reading, line, "no memory");
	return node->text ? node : NULL;
}

/* A place in the tree for what was complained of: the walk goes on and finds the rest. */
static struct config_node *add_wrong(struct reading *reading, unsigned line, const char *why)
{
	struct config_node *node = add_scalar(reading, "", line);

	complain(reading, line, why);
	if (node)
		node->wrong = true;
	return node;
}

static struct config_node *read_scalar(struct reading *reading, const yaml_event_t *event, unsigned line)
{
	const char *text = (const char *)event->data.scalar.value;
	char expanded[CONFIG_TEXT], why[256];
	struct config_node *node;

	if (strlen(text) != event->data.scalar.length)
		return add_wrong(reading, line, "found a zero byte in a text");
	if ((reading->url ? config_expand_url : config_expand)(text, reading->environment, expanded, why, sizeof(why)))
		return add_wrong(reading, line, why);
	node = add_scalar(reading, expanded, line);
	if (node)
		node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE && !strchr(text, '$');
	return node;
}

static struct config_node *read_value(struct reading *reading, yaml_event_t *event, unsigned depth);

static struct config_node *read_list(struct reading *reading, unsigned line, unsigned depth)
{
	struct config_node *list = add_node(reading, CONFIG_LIST, line), **last = list ? &list->first : NULL;
	yaml_event_t event;

	if (list)
		list->wrong = true; /* until its end was seen */
	while (list && next_event(reading, &event)) {
		bool done = event.type == YAML_SEQUENCE_END_EVENT;

		if (!done)
			*last = read_value(reading, &event, depth + 1);
		yaml_event_delete(&event);
		if (done) {
			list->wrong = false;
			break;
		}
		if (*last)
			last = &(*last)->next;
	}
	return list;
}

/* A copy of the key at `event`, or NULL after a complaint. */
static char *read_key(
	struct reading *reading, const struct config_node *map, const yaml_event_t *event, unsigned line)
{
	const char *text = (const char *)event->data.scalar.value;
	char *key;

	if (event->type != YAML_SCALAR_EVENT || event->data.scalar.anchor || event->data.scalar.tag ||
		strlen(text) != event->data.scalar.length) {
		stop(reading, line, "found a key that is not a plain word");
		return NULL;
	}
	for (const struct config_node *node = map->first; node; node = node->next)
		if (!strcmp(node->key, text))
			complaints_add(reading->why, "%s:%u: found key '%.64s' twice, first in line %u",
				reading->document->name, line, text, node->line);
	key = strdup(text);
	if (!key)
		stop(reading, line, "no memory");
	return key;
}

static struct config_node *read_pair(
	struct reading *reading, const struct config_node *map, const yaml_event_t *event, unsigned depth)
{
	unsigned line = (unsigned)event->start_mark.line + 1;
	char *key = read_key(reading, map, event, line);
	struct config_node *node = NULL;
	yaml_event_t value;

	if (key && next_event(reading, &value)) {
		reading->url = !strcmp(key, "url");
		node = read_value(reading, &value, depth + 1);
		yaml_event_delete(&value);
		reading->url = false;
	}
	if (!node) {
		free(key);
		return NULL;
	}
	node->key = key;
	node->line = line;
	return node;
}

static struct config_node *read_map(struct reading *reading, unsigned line, unsigned depth)
{
	struct config_node *map = add_node(reading, CONFIG_MAP, line), **last = map ? &map->first : NULL;
	yaml_event_t event;

	while (map && next_event(reading, &event)) {
		bool done = event.type == YAML_MAPPING_END_EVENT;

		if (!done)
			*last = read_pair(reading, map, &event, depth);
		yaml_event_delete(&event);
		if (done)
			break;
		if (*last)
			last = &(*last)->next;
	}
	return map;
}

static void refuse_extras(
	struct reading *reading, const yaml_char_t *anchor, const yaml_char_t *tag, unsigned line)
{
	if (anchor)
		complain(reading, line, "found an anchor (&), allowed: the value itself");
	if (tag)
		complain(reading, line, "found a tag (!), allowed: the value itself");
}

static struct config_node *read_value(struct reading *reading, yaml_event_t *event, unsigned depth)
{
	unsigned line = (unsigned)event->start_mark.line + 1;

	if (depth > CONFIG_DEPTH) {
		stop(reading, line, "nested deeper than 16 levels");
		return NULL;
	}
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		refuse_extras(reading, event->data.scalar.anchor, event->data.scalar.tag, line);
		return read_scalar(reading, event, line);
	case YAML_SEQUENCE_START_EVENT:
		refuse_extras(reading, event->data.sequence_start.anchor, event->data.sequence_start.tag, line);
		return read_list(reading, line, depth);
	case YAML_MAPPING_START_EVENT:
		refuse_extras(reading, event->data.mapping_start.anchor, event->data.mapping_start.tag, line);
		return read_map(reading, line, depth);
	default: return add_wrong(reading, line, "found an alias (*), allowed: the value itself");
	}
}

static void read_stream(struct reading *reading)
{
	unsigned documents = 0;
	yaml_event_t event;

	for (bool done = false; !done && next_event(reading, &event); yaml_event_delete(&event)) {
		unsigned line = (unsigned)event.start_mark.line + 1;

		switch (event.type) {
		case YAML_STREAM_END_EVENT: done = true; break;
		case YAML_STREAM_START_EVENT: break;
		case YAML_DOCUMENT_END_EVENT: break;
		case YAML_DOCUMENT_START_EVENT:
			if (documents++)
				stop(reading, line, "found a second document, allowed: one");
			break;
		default: reading->document->root = read_value(reading, &event, 0);
		}
	}
}

int config_read_text(const char *name, const char *text, size_t bytes, const char *const *environment,
	struct config_document *out, struct complaints *why)
{
	struct reading reading = {.document = out, .environment = environment, .why = why};
	unsigned before = why->count + why->unseen;

	*out = (struct config_document){.name = name};
	if (!yaml_parser_initialize(&reading.parser)) {
		complain(&reading, 1, "no memory");
		return -EINVAL;
	}
	yaml_parser_set_encoding(&reading.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&reading.parser, (const unsigned char *)text, bytes);
	read_stream(&reading);
	yaml_parser_delete(&reading.parser);
	return why->count + why->unseen == before ? 0 : -EINVAL;
}

void config_free(struct config_document *document)
{
	while (document->chain) {
		struct config_node *node = document->chain;

		document->chain = node->chain;
		free(node->key);
		free(node->text);
		free(node);
	}
	document->root = NULL;
}

bool config_is_null(const struct config_node *node)
{
	static const char *const nothing[] = {"", "~", "null", "Null", "NULL"};

	if (node->kind != CONFIG_SCALAR || node->quoted || node->wrong)
		return false;
	for (unsigned i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++)
		if (!strcmp(node->text, nothing[i]))
			return true;
	return false;
}

bool config_join(const struct config_node *node, char *out, size_t bytes)
{
	const struct config_node *item = node->kind == CONFIG_LIST ? node->first : node;
	size_t used = 0;

	*out = 0;
	for (; item; item = node->kind == CONFIG_LIST ? item->next : NULL) {
		if (item->kind != CONFIG_SCALAR || config_is_null(item) || item->wrong || strlen(item->text) + 2 > bytes - used)
			return false;
		used += (size_t)(stpcpy(stpcpy(out + used, used ? "," : ""), item->text) - (out + used));
	}
	return used > 0;
}
