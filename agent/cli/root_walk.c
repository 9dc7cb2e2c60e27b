/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/root_walk.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/resolve.h"

enum { HOPS = 16 };

static const char *text_of(const json_t *of, const char *key)
{
	const char *text = json_string_value(json_object_get(of, key));

	return text ? text : "";
}

static bool is_ready(const json_t *document)
{
	return json_is_true(json_object_get(json_object_get(document, "ready"), "ok"));
}

/* The first reason that counts: those of dependencies last, for what is wrong at home is the cause. */
static const json_t *worst_reason(const json_t *document)
{
	const json_t *reasons = json_object_get(json_object_get(document, "ready"), "reasons"), *reason, *of_dependency = NULL;
	size_t index;

	json_array_foreach(reasons, index, reason)
	{
		if (*text_of(reason, "held") || !strcmp(text_of(reason, "code"), "traced"))
			continue;
		if (!*text_of(reason, "dependency"))
			return reason;
		of_dependency = of_dependency ? of_dependency : reason;
	}
	return of_dependency;
}

static const json_t *find_dependency(const json_t *document, const char *name)
{
	const json_t *list = json_object_get(document, "dependencies"), *of;
	size_t index;

	json_array_foreach(list, index, of)
	{
		if (!strcmp(text_of(of, "name"), name))
			return of;
	}
	return NULL;
}

static void say(struct explain_because *out, unsigned depth, const char *text)
{
	char *line;

	if (out->count == EXPLAIN_BECAUSE)
		return;
	line = out->lines[out->count].text;
	out->lines[out->count++].depth = depth;
	(void)snprintf(line, EXPLAIN_LINE, "%s", text); /* cut when long */
	text_sanitize(line);
}

void root_walk_print(const struct explain_because *because)
{
	for (unsigned i = 0; i < because->count; i++)
		printf("%*s%s\n", (int)(2 * because->lines[i].depth), "", because->lines[i].text);
}

static void say_dependency(struct explain_because *out, unsigned depth, const json_t *of)
{
	char line[EXPLAIN_LINE];
	const char *detail = text_of(of, "detail");

	(void)snprintf(line, sizeof(line), "because of %s (%s, %s) %s%s%s%s%s", text_of(of, "name"), text_of(of, "kind"),
		text_of(of, "class"), text_of(of, "status"), *text_of(of, "error") ? ": " : "", text_of(of, "error"),
		*detail ? ", " : "", detail); /* cut when long */
	say(out, depth, line);
}

/* Its address is hidden from us, what it said of itself is not: "SERVICE/CAUSE via INSTANCE,…". */
static void say_root(struct explain_because *out, unsigned depth, const char *root)
{
	char line[EXPLAIN_LINE];

	(void)snprintf(line, sizeof(line), "because of %.*s, as it says", (int)strcspn(root, " "), root); /* cut when long */
	say(out, depth, line);
}

/* http://HOST[:PORT]/[services/NAME/]readyz: where its agent may answer. False: not of that form. */
static bool place_of(const char *url, struct client_place *out)
{
	char why[128], host[SETTINGS_TEXT];
	const char *at = url + 7, *services, *user;
	int length;

	memset(out, 0, sizeof(*out));
	if (strncmp(url, "http://", 7) != 0)
		return false;
	length = (int)strcspn(at, "/?#");
	user = memchr(at, '@', (size_t)length);
	if (user) {
		length -= (int)(user + 1 - at);
		at = user + 1;
	}
	(void)snprintf(out->host, sizeof(out->host), "%.*s", length, at); /* cut: then nobody answers */
	(void)snprintf(host, sizeof(host), "%s%s", out->host, memchr(at, ':', (size_t)length) ? "" : ":80");
	(void)snprintf(out->name, sizeof(out->name), "http://%s", out->host);
	services = !strncmp(at + length, "/services/", 10) ? strchr(at + length + 10, '/') : NULL;
	if (services)
		(void)snprintf(out->prefix, sizeof(out->prefix), "%.*s", (int)(services - at - length), at + length);
	return !address_parse(host, &out->address, NULL, 0) || !resolve_host(host, &out->address, why, sizeof(why));
}

/* NULL: no agent answers there. */
static json_t *ask(const struct client_place *place)
{
	struct client_reply reply;
	char path[CLIENT_PREFIX + 32];
	json_t *document;

	(void)snprintf(path, sizeof(path), "/health/status"); /* the prefix is the client's */
	if (client_ask(place, "GET", path, &reply))
		return NULL;
	document = json_loadb(reply.body, reply.bytes, 0, NULL);
	client_free(&reply);
	if (strncmp(text_of(document, "schema"), "lifesign.status/", 16) == 0)
		return document;
	json_decref(document);
	return NULL;
}

/* What stands behind the last dependency of its own: the one to go on with, or NULL at the cause. */
static const json_t *tell(struct explain_because *out, const json_t *document, const char *where, unsigned depth)
{
	const json_t *reason = worst_reason(document), *of = reason ? find_dependency(document, text_of(reason, "dependency")) : NULL;
	char line[EXPLAIN_LINE];

	(void)snprintf(line, sizeof(line), "%s at %s is %s%s%s%s%s", text_of(document, "service"), where,
		is_ready(document) ? "ready now" : "not ready", of || !reason || is_ready(document) ? "" : ": ",
		of || !reason || is_ready(document) ? "" : text_of(reason, "code"), of || !reason || !*text_of(reason, "detail") ? "" : ", ",
		of || !reason ? "" : text_of(reason, "detail")); /* cut when long */
	say(out, depth, line);
	if (is_ready(document) || !of)
		return NULL;
	say_dependency(out, depth + 1, of);
	while (!strcmp(text_of(of, "error"), "skipped") && *text_of(of, "root")) {
		const json_t *root = find_dependency(document, text_of(of, "root"));

		if (!root || root == of)
			break;
		of = root;
		say_dependency(out, depth + 1, of);
	}
	return of;
}

void root_walk(const struct client_place *place, const json_t *document, struct explain_because *out)
{
	char seen[HOPS][SETTINGS_TEXT];
	struct client_place next;
	json_t *status = json_incref((json_t *)(uintptr_t)document);
	const char *where = place->name;
	unsigned hop = 0;

	while (status && hop < HOPS) {
		const json_t *of = hop || !is_ready(status) ? tell(out, status, where, hop) : NULL;
		const char *url = of ? text_of(of, "url") : "";

		if (of && !*url && *text_of(of, "root") && strcmp(text_of(of, "error"), "skipped") != 0)
			say_root(out, hop + 2, text_of(of, "root"));
		for (unsigned i = 0; i < hop; i++) {
			if (*url && !strcmp(seen[i], url)) {
				say(out, hop + 1, "which was asked already: they wait for each other");
				url = "";
			}
		}
		if (!*url || !place_of(url, &next))
			break;
		(void)snprintf(seen[hop++], SETTINGS_TEXT, "%s", url); /* cut alike */
		json_decref(status);
		status = ask(&next);
		where = next.name;
		if (!status)
			say(out, hop, "no lifesign answers there: the walk ends");
	}
	json_decref(status);
}
