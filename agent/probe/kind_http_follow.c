/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What another lifesign says about itself, and where its trouble begins: see kind_http_answer.h. Each hop takes
 * over the root that the next one named, as SERVICE/WHAT, so that it reaches through any number of them. When
 * it is our own name that comes back, every service of a ring waits for itself: then only what is wrong outside
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

/* Where one of its reasons begins: named by another lifesign, or here. */
static void name_root(const json_t *reason, const char *name, char *root, size_t bytes)
{
	const char *dependency = text_in(reason, "dependency");

	if (text_in(reason, "root")[0])
		snprintf(root, bytes, "%s%s%s", strchr(text_in(reason, "root"), '/') ? "" : name,
			strchr(text_in(reason, "root"), '/') ? "" : "/", text_in(reason, "root"));
	else
		snprintf(root, bytes, "%s/%s", name, dependency[0] ? dependency : text_in(reason, "code"));
}

static bool is_ours(const char *root, const char *own)
{
	size_t length = own ? strlen(own) : 0;

	return length > 0 && strncmp(root, own, length) == 0 && root[length] == '/';
}

/* The first reason that does not lead back to ourselves; a dependency's before those of the service itself,
 * because it is the cause of them. */
static void choose_reason(const json_t *reasons, const char *name, const char *own, struct http_follow *out)
{
	bool chosen = false, through = false;
	char root[PROBE_ROOT];
	json_t *reason;
	size_t i;

	json_array_foreach(reasons, i, reason)
	{
		const char *dependency = text_in(reason, "dependency");

		name_root(reason, name, root, sizeof root);
		if (is_ours(root, own))
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
			choose_reason(json_object_get(ready, "reasons"), text_in(whole, "service"), own, out);
	}
	json_decref(whole);
	return is_status;
}

/* "[-]db failed: connect_timeout" */
static bool read_failure(const char *line, size_t length, const char *name, struct http_follow *out)
{
	static const char mark[] = " failed: ";
	const char *said = memmem(line, length, mark, sizeof mark - 1);

	if (!said || said == line + 3)
		return false;
	snprintf(out->through, sizeof out->through, "%.*s", (int)(said - line - 3), line + 3);
	said += sizeof mark - 1;
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
