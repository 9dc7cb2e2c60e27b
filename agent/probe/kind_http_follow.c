/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What another lifesign says about itself, and where its trouble begins: see kind_http_answer.h. Each hop takes
 * over the root that the next one named, as SERVICE/WHAT, so that it reaches through any number of them. When
 * it went through ourselves, every service of a ring waits for itself: then only what is wrong outside
 * the ring counts.
 */
#include "probe/kind_http_answer.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static const char *text_in(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* "orders/db via 1a2b3c4d,5e6f7a8b": what it is, and the instances through which it was told. */
static const char mark[] = " via ";

static bool passes_through(const char *root, const char *instance)
{
	const char *at = strstr(root, mark);

	return at && instance[0] && strstr(at + sizeof mark - 1, instance);
}

/* Where one of its reasons begins: named by another lifesign, or here. `it`: its own instance. The oldest
 * instances make room: a ring is seen by the last ones. */
static void name_root(const json_t *reason, const char *name, const char *it, char *root, size_t bytes)
{
	const char *told = text_in(reason, "root"), *what = text_in(reason, "dependency");
	const char *at = strchr(told, '/') ? strstr(told, mark) : NULL;
	const char *path = at ? at + sizeof mark - 1 : "";

	if (strchr(told, '/'))
		snprintf(root, bytes / 2, "%.*s", (int)(at ? at - told : (long)strlen(told)), told);
	else
		snprintf(root, bytes / 2, "%s/%s", name,
			told[0]   ? told
			: what[0] ? what
				  : text_in(reason, "code"));
	while (strchr(path, ',') && strlen(root) + sizeof mark + strlen(path) + 1 + strlen(it) > bytes)
		path = strchr(path, ',') + 1;
	if (path[0] || it[0])
		snprintf(root + strlen(root), bytes - strlen(root), "%s%s%s%s", mark, path, path[0] ? "," : "",
			it);
}

/* The first reason that does not lead back to ourselves; a dependency's before those of the service itself,
 * because it is the cause of them. */
static void choose_reason(const json_t *whole, const char *own, struct http_follow *out)
{
	const json_t *reasons = json_object_get(json_object_get(whole, "ready"), "reasons");
	bool chosen = false, through = false;
	char root[PROBE_ROOT];
	json_t *reason;
	size_t i;

	json_array_foreach(reasons, i, reason)
	{
		const char *dependency = text_in(reason, "dependency");

		name_root(reason, text_in(whole, "service"), text_in(whole, "instance"), root, sizeof root);
		if (passes_through(root, own))
			continue;
		if (chosen && (through || !dependency[0]))
			continue;
		chosen = true;
		through = dependency[0];
		snprintf(out->root, sizeof out->root, "%s", root);
		snprintf(out->reason, sizeof out->reason, "%s", text_in(reason, "code"));
		snprintf(out->through, sizeof out->through, "%s", dependency);
	}
	out->loop = !chosen && json_array_size(reasons) > 0;
}

bool http_follow_status(const char *body, size_t bytes, const char *own, struct http_follow *out)
{
	json_t *whole = json_loadb(body, bytes, 0, NULL);
	const json_t *ready = json_object_get(whole, "ready");
	const json_t *ok = json_object_get(ready, "ok");
	bool is_status = strncmp(text_in(whole, "schema"), "lifesign.status/1", 17) == 0 && json_is_boolean(ok);

	if (is_status) {
		*out = (struct http_follow){.ready = json_is_true(ok)};
		if (!out->ready)
			choose_reason(whole, own, out);
	}
	json_decref(whole);
	return is_status;
}

/* "[-]db failed: connect_timeout" */
static bool read_failure(const char *line, size_t length, const char *name, struct http_follow *out)
{
	static const char failed[] = " failed: ";
	const char *said = memmem(line, length, failed, sizeof failed - 1);

	if (!said || said == line + 3)
		return false;
	snprintf(out->through, sizeof out->through, "%.*s", (int)(said - line - 3), line + 3);
	said += sizeof failed - 1;
	snprintf(out->reason, sizeof out->reason, "%.*s", (int)(line + length - said), said);
	snprintf(out->root, sizeof out->root, "%.30s/%.32s", name, out->through);
	return true;
}

bool http_follow_verbose(const char *body, const char *name, struct http_follow *out)
{
	size_t length;

	*out = (struct http_follow){.ready = true};
	for (const char *line = body; *line; line += length + (line[length] == '\n')) {
		length = strcspn(line, "\n");
		if (strncmp(line, "[-]", 3) == 0 && read_failure(line, length, name, out)) {
			out->ready = false;
			return true;
		}
	}
	return strstr(body, "check passed") != NULL;
}
