/* SPDX-License-Identifier: Apache-2.0 */
/* The picture as one object, cut to what a log line holds: who is away from home comes first. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "watch/picture_parts.h"

/* What stays for the rows that come after threads, and for what a line has beside the picture. */
enum { THREADS_END = LOG_OBJECT_BYTES - 512, ROW = 300, LISTENERS = 4, PROCESSES = 6 };

static void put_address(struct json *json, const char *key, uint64_t address)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "0x%" PRIx64, address);
	json_text(json, key, address ? text : NULL);
}

static void put_wait(struct json *json, const struct wait_target *wait)
{
	static const char *const kinds[] = {[TARGET_LOCK] = "lock",
		[TARGET_FD] = "fd",
		[TARGET_THREAD] = "thread",
		[TARGET_CHILD] = "child",
		[TARGET_ADDRESS] = "address"};

	if (wait->kind == TARGET_NONE) {
		json_null(json, "waits_for");
		return;
	}
	json_object(json, "waits_for");
	json_text(json, "kind", kinds[wait->kind]);
	if (wait->kind == TARGET_LOCK || wait->kind == TARGET_ADDRESS)
		put_address(json, "object", wait->object);
	else
		json_int(json, "object", (int64_t)wait->object);
	if (wait->owner)
		json_int(json, "owner", wait->owner);
	json_object_end(json);
}

static void put_group(struct json *json, const struct picture_group *group)
{
	const struct snapshot_thread *first = group->first;

	json_object(json, NULL);
	json_int(json, "pid", group->process->pid);
	json_array(json, "tids");
	for (unsigned i = 0; i < group->count && i < PICTURE_NAMES; i++)
		json_int(json, NULL, group->named[i]->tid);
	json_array_end(json);
	json_uint(json, "count", group->count);
	json_text_within(json, "name", first->name, sizeof(first->name));
	json_text(json, "role", thread_role_text(first->role));
	json_text(json, "state", thread_state_text(first->state));
	json_text(json, "op", first->op);
	json_bool(json, "home", group->home);
	json_seconds(json, "for_seconds", group->longest);
	put_wait(json, &first->waits_for);
	json_object_end(json);
}

static unsigned put_threads(struct json *json, const struct picture *picture)
{
	unsigned left_out = picture->left_out;

	json_array(json, "threads");
	for (unsigned i = 0; i < picture->group_count; i++) {
		if (json->out->used + ROW < THREADS_END)
			put_group(json, &picture->groups[i]);
		else
			left_out += picture->groups[i].count;
	}
	json_array_end(json);
	return left_out;
}

static void put_listeners(struct json *json, const struct picture *picture)
{
	const struct snapshot *snapshot = picture->snapshot;

	json_array(json, "listeners");
	for (unsigned i = 0; i < snapshot->listener_count && i < LISTENERS; i++) {
		const struct snapshot_listener *listener = &snapshot->listeners[i];

		json_object(json, NULL);
		json_text_within(json, "address", listener->address, sizeof(listener->address));
		json_uint(json, "queue", listener->queue);
		json_uint(json, "backlog", listener->backlog);
		json_object_end(json);
	}
	json_array_end(json);
	json_uint(json, "unread_connections", picture->unread.connections);
	json_uint(json, "unread_bytes", picture->unread.bytes);
}

static void put_processes(struct json *json, const struct snapshot *snapshot)
{
	json_array(json, "processes");
	for (unsigned i = 0; i < snapshot->process_count && i < PROCESSES; i++) {
		const struct snapshot_process *process = &snapshot->processes[i];

		json_object(json, NULL);
		json_int(json, "pid", process->pid);
		json_text_within(json, "exe", process->exe, 24);
		json_uint(json, "threads", process->thread_count);
		json_object_end(json);
	}
	json_array_end(json);
}

void picture_say_json(const struct picture *picture)
{
	const struct snapshot_chain *chain = &picture->snapshot->chain;
	struct log_line line = {.level = LOG_LEVEL_WARN,
		.event = "picture",
		.probe = "live",
		.reason = reason_text(picture->reason->code)};
	char words[SNAPSHOT_DETAIL];
	unsigned left_out;
	struct buf text;
	struct json json;

	(void)snprintf(words, sizeof(words), "%s",
		chain->code == picture->reason->code && chain->words[0] ? chain->words
									: picture->reason->detail);
	buf_start(&text, LOG_OBJECT_BYTES);
	json_start(&json, &text);
	json_object(&json, NULL);
	put_listeners(&json, picture);
	left_out = put_threads(&json, picture);
	put_processes(&json, picture->snapshot);
	json_uint(&json, "threads_left_out", left_out);
	json_object_end(&json);
	line.detail = words;
	line.object = text.failed ? NULL : text.data;
	log_emit(&line);
	buf_free(&text);
}
