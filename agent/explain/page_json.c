/* SPDX-License-Identifier: Apache-2.0 */
/* The explanation for machines: lifesign.explain/1. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "explain/explain.h"

static void put_thread(const struct explain *explain, const struct explain_thread *thread, struct json *json)
{
	char sentence[512], state[2] = {thread->now.state, '\0'}, address[24];

	explain_sentence(explain, thread, sentence, sizeof(sentence));
	(void)snprintf(address, sizeof(address), "0x%" PRIx64, thread->wait.address);
	json_object(json, NULL);
	json_int(json, "pid", thread->pid);
	json_int(json, "tid", thread->tid);
	json_text_within(json, "name", thread->name, sizeof(thread->name));
	json_text(json, "state", state);
	json_text(json, "call", thread->call ? thread->call->name : NULL);
	json_bool(json, "still", thread->still);
	json_double(json, "cpu_percent", thread->cpu_percent);
	if (thread->rest_seconds >= 0)
		json_double(json, "last_ran_seconds", thread->rest_seconds);
	else
		json_null(json, "last_ran_seconds");
	json_bool(json, "limited", thread->wait.limited);
	json_text(json, "object", thread->wait.address ? address : NULL);
	if (thread->wait.owner)
		json_int(json, "owner", thread->wait.owner);
	else
		json_null(json, "owner");
	json_bool(json, "orphan", thread->wait.orphan);
	json_bool(json, "cycle", thread->in_cycle);
	json_text(json, "why", sentence);
	json_object_end(json);
}

static void put_listeners(const struct explain *explain, struct json *json)
{
	json_array(json, "listeners");
	for (unsigned i = 0; i < explain->listener_count; i++) {
		const struct diag_listener *now = &explain->listeners[i].now;

		if (!now->inode)
			continue; /* closed meanwhile */
		json_object(json, NULL);
		json_text(json, "address", now->address);
		json_uint(json, "queue", now->queue);
		json_uint(json, "backlog", now->backlog);
		json_object_end(json);
	}
	json_array_end(json);
}

static void put_process(const struct explain *explain, struct json *json)
{
	char verdict[512];
	const char *kind = explain_verdict(explain, verdict, sizeof(verdict));

	if (explain->pid)
		json_int(json, "pid", explain->pid);
	else
		json_null(json, "pid");
	json_text_within(json, "name", explain->processes[0].row.name, sizeof(explain->processes[0].row.name));
	json_text(json, "verdict", explain->pid ? kind : NULL);
	json_text(json, "detail", explain->pid ? verdict : NULL);
}

static void put_because(const struct explain_because *because, struct json *json)
{
	json_array(json, "because");
	for (unsigned i = 0; i < because->count; i++) {
		json_object(json, NULL);
		json_uint(json, "depth", because->lines[i].depth);
		json_text(json, "text", because->lines[i].text);
		json_object_end(json);
	}
	json_array_end(json);
}

void explain_print_json(const struct explain *explain, const struct explain_because *because, struct buf *out)
{
	struct json json;

	json_start(&json, out);
	json_object(&json, NULL);
	json_text(&json, "schema", "lifesign.explain/1");
	put_because(because, &json);
	put_process(explain, &json);
	json_array(&json, "threads");
	for (unsigned i = 0; i < explain->thread_count; i++) {
		if (!explain->threads[i].gone)
			put_thread(explain, &explain->threads[i], &json);
	}
	json_array_end(&json);
	put_listeners(explain, &json);
	json_object(&json, "inbound");
	json_uint(&json, "connections", explain->inbound.connections);
	json_uint(&json, "waiting", explain->inbound.waiting);
	json_uint(&json, "bytes", explain->inbound.bytes);
	json_object_end(&json);
	json_object_end(&json);
	buf_char(out, '\n');
}
