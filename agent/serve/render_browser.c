/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /: the same as /health/status for a person with a browser: one page without scripts that loads itself again. All
 * that comes from outside passes put_text. Threads: any HTTP thread. Memory: bounded rows, freed with the answer.
 */
#include <stdio.h>
#include <string.h>

#include "base/dependency_table.h"
#include "base/text.h"
#include "serve/render.h"
#include "serve/render_dependencies.h"
#include "serve/roll.h"

enum { THREADS_SHOWN = 500, TEXT = 1100 };

static const char head[] =
	"<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
	"<meta name=\"viewport\" content=\"width=device-width\"><meta http-equiv=\"refresh\" content=\"5\">"
	"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
	"<style>:root{color-scheme:light dark}body{font:15px/1.4 system-ui,sans-serif;margin:1.5em;max-width:75em}"
	"table{border-collapse:collapse;margin:.3em 0 1em}th,td{text-align:left;padding:.15em 1em .15em 0;vertical-align:top}"
	"th{font-weight:600;border-bottom:1px solid #8888}td.n{text-align:right}h2{font-size:1.05em;margin:1em 0 0}"
	".good{color:#0a7d36}.bad{color:#c02020;font-weight:600}.warn{color:#a06000}</style>";

/* As text or inside of a quoted attribute. `bytes`: of the field; it may lack its end. */
static void put_text(struct buf *out, const char *field, size_t bytes)
{
	static const struct {
		char byte;
		const char *instead;
	} escapes[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}};
	char text[TEXT] = "";

	(void)snprintf(text, sizeof text, "%.*s", (int)bytes, field ? field : ""); /* cut */
	text_sanitize(text);
	for (const char *at = text; *at; at++) {
		const char *instead = NULL;

		for (size_t i = 0; i < sizeof escapes / sizeof escapes[0]; i++)
			if (escapes[i].byte == *at)
				instead = escapes[i].instead;
		if (instead)
			buf_text(out, instead);
		else
			buf_char(out, *at);
	}
}

static void put_cell(struct buf *out, const char *field, size_t bytes)
{
	buf_text(out, "<td>");
	put_text(out, field, bytes);
}

/* For words of our own. */
static void put_word(struct buf *out, const char *word)
{
	put_cell(out, word, word ? strlen(word) : 0);
}

static void put_number(struct buf *out, uint64_t number)
{
	buf_text(out, "<td class=\"n\">");
	buf_uint(out, number);
}

static void put_seconds(struct buf *out, int64_t since, int64_t now)
{
	buf_text(out, "<td class=\"n\">");
	if (since)
		buf_format(out, "%.1f s", (double)(now > since ? now - since : 0) / 1e9);
}

static void begin_table(struct buf *out, const char *title, const char *columns)
{
	buf_format(out, "<h2>%s</h2>\n<table><tr><th>%s\n", title, columns);
}

static void end_table(struct buf *out)
{
	buf_text(out, "</table>\n");
}

static void put_verdicts(struct buf *out, const struct standing *standing)
{
	bool alive = standing->verdict == VERDICT_ALIVE;
	bool live = standing->ok[PROBE_LIVEZ], ready = standing->ok[PROBE_READYZ], started = standing->ok[PROBE_STARTUPZ];

	buf_format(out, "<b class=\"%s\">%s</b>, <b class=\"%s\">%s</b>, <b class=\"%s\">%s</b>", alive ? "good" : live ? "warn" : "bad",
		verdict_text(standing->verdict), ready ? "good" : "bad", ready ? "ready" : "not ready", started ? "good" : "warn",
		started ? "started" : "starting");
}

static void put_subject(struct buf *out, const struct snapshot *snapshot, const struct snapshot_reason *reason)
{
	bool known = reason->dependency && reason->dependency <= snapshot->dependency_count;

	buf_text(out, "<td>");
	if (known)
		put_text(out, snapshot->dependencies[reason->dependency - 1].name, sizeof snapshot->dependencies->name);
}

static void put_reasons(struct buf *out, const struct standing *standing, const struct request *request)
{
	begin_table(out, "Reasons", "probe<th>code<th>of<th>held by<th>for<th>");
	for (enum probe probe = 0; probe < PROBE_COUNT; probe++) {
		const struct snapshot_answer *answer = standing_answer(standing, probe);

		for (unsigned i = 0; i < answer->reason_count; i++) {
			const struct snapshot_reason *reason = &answer->reasons[i];

			buf_text(out, "<tr>");
			put_word(out, probe_label(probe));
			put_word(out, reason_text(reason->code));
			put_subject(out, standing->snapshot, reason);
			put_word(out, held_text(reason->held));
			put_seconds(out, reason->since, standing->now);
			put_word(out, request->details ? standing_detail(standing, reason) : "");
			buf_char(out, '\n');
		}
	}
	end_table(out);
}

static bool has_reasons(const struct snapshot *snapshot)
{
	return snapshot->live.reason_count + snapshot->ready.reason_count + snapshot->startup.reason_count > 0;
}

static void put_dependencies(struct buf *out, const struct standing *standing, const struct request *request)
{
	begin_table(out, "Dependencies", "name<th>kind<th>class<th>status<th>error<th>for<th>took<th>value<th>because of<th>");
	for (unsigned i = 0; i < standing->snapshot->dependency_count; i++) {
		const struct snapshot_dependency *of = &standing->snapshot->dependencies[i];

		buf_text(out, "<tr>");
		put_cell(out, of->name, sizeof of->name);
		put_word(out, dependency_kinds[of->kind].name);
		put_word(out, render_class(of->class));
		put_word(out, probe_status_text(of->status));
		put_word(out, of->error ? probe_error_text(of->error) : "");
		put_seconds(out, of->since, standing->now);
		put_seconds(out, of->latency_ns < 0 ? 0 : 1, 1 + of->latency_ns);
		buf_text(out, "<td class=\"n\">");
		if (of->has_value)
			buf_double(out, of->value, "");
		put_cell(out, of->root, sizeof of->root);
		put_cell(out, request->details ? of->detail : "", request->details ? sizeof of->detail : 0);
		buf_char(out, '\n');
	}
	end_table(out);
}

static void put_process(struct buf *out, const struct snapshot_process *process)
{
	buf_format(out, "<tr><td class=\"n\">%d<td><b>", process->pid);
	put_text(out, process->exe, sizeof process->exe);
	buf_text(out, "</b>");
	put_word(out, process_role_text(process->role));
	put_word(out, coverage_text(process->coverage));
	buf_char(out, '\n');
}

static void put_thread(struct buf *out, const struct standing *standing, const struct snapshot_thread *thread)
{
	buf_format(out, "<tr><td class=\"n\">%d", thread->tid);
	put_cell(out, thread->name, sizeof thread->name);
	put_word(out, thread_role_text(thread->role));
	put_word(out, thread_state_text(thread->state));
	put_word(out, thread->op ? thread->op : "");
	put_seconds(out, thread->since, standing->now);
	put_number(out, thread->beats);
	put_word(out, thread->why == REASON_NONE ? "" : reason_text(thread->why));
	buf_char(out, '\n');
}

static void put_threads(struct buf *out, const struct standing *standing)
{
	const struct snapshot *snapshot = standing->snapshot;
	unsigned shown = 0;

	begin_table(out, "Processes and threads", "id<th>name<th>role<th>state<th>in<th>for<th>beats<th>");
	for (unsigned i = 0; i < snapshot->process_count && shown < THREADS_SHOWN; i++) {
		const struct snapshot_process *process = &snapshot->processes[i];

		put_process(out, process);
		for (uint32_t t = 0; t < process->thread_count && process->first_thread + t < snapshot->thread_count &&
				     shown < THREADS_SHOWN; t++, shown++)
			put_thread(out, standing, &snapshot->threads[process->first_thread + t]);
	}
	end_table(out);
	if (snapshot->thread_count > shown)
		buf_format(out, "<p>and %u more threads\n", snapshot->thread_count - shown);
}

static void put_listeners(struct buf *out, const struct snapshot *snapshot)
{
	begin_table(out, "Listeners", "address<th>queue<th>backlog<th>pid");
	for (unsigned i = 0; i < snapshot->listener_count; i++) {
		const struct snapshot_listener *listener = &snapshot->listeners[i];

		buf_text(out, "<tr>");
		put_cell(out, listener->address, sizeof listener->address);
		put_number(out, listener->queue);
		put_number(out, listener->backlog);
		put_number(out, (uint64_t)listener->pid);
		buf_char(out, '\n');
	}
	end_table(out);
}

static void put_events(struct buf *out, const struct standing *standing)
{
	const struct snapshot *snapshot = standing->snapshot;

	begin_table(out, "Events, newest first", "ago<th>what<th>from<th>to<th>reason<th>of");
	for (unsigned i = snapshot->event_count; i-- > 0;) {
		const struct snapshot_event *event = &snapshot->events[i];

		buf_text(out, "<tr>");
		put_seconds(out, 1, 1 + snapshot->wall - event->wall_ns);
		put_word(out, event_text(event->what));
		put_cell(out, event->from, sizeof event->from);
		put_cell(out, event->to, sizeof event->to);
		put_word(out, snapshot_event_reason(event));
		put_cell(out, event->subject, sizeof event->subject);
		buf_char(out, '\n');
	}
	end_table(out);
}

static void put_service(struct buf *out, const struct standing *standing, const struct request *request)
{
	const struct snapshot *snapshot = standing->snapshot;

	buf_text(out, "<p><a href=\"livez?verbose\">livez</a> <a href=\"readyz?verbose\">readyz</a> <a href=\"startupz?verbose\">startupz</a> "
		      "<a href=\"health\">health</a> <a href=\"health/status\">status</a> <a href=\"metrics\">metrics</a>\n");
	if (has_reasons(snapshot))
		put_reasons(out, standing, request);
	if (snapshot->dependency_count)
		put_dependencies(out, standing, request);
	if (snapshot->listener_count)
		put_listeners(out, snapshot);
	put_threads(out, standing);
	if (snapshot->event_count)
		put_events(out, standing);
}

static void put_services(struct buf *out, const struct roll *roll)
{
	begin_table(out, "Services", "name<th>stands");
	for (unsigned i = 0; i < roll->count; i++) {
		const struct snapshot *snapshot = roll->each[i].snapshot;

		buf_text(out, "<tr><td><a href=\"services/");
		put_text(out, snapshot->service, sizeof snapshot->service);
		buf_text(out, "/\">");
		put_text(out, snapshot->service, sizeof snapshot->service);
		buf_text(out, "</a><td>");
		put_verdicts(out, &roll->each[i]);
		buf_char(out, '\n');
	}
	end_table(out);
}

static void put_title(struct buf *out, const struct standing *standing, bool many)
{
	const struct snapshot *snapshot = standing->snapshot;
	const char *name = many || !snapshot->service[0] ? "lifesign agent" : snapshot->service;
	size_t bytes = name == snapshot->service ? sizeof snapshot->service : strlen(name);

	buf_text(out, "<title>");
	put_text(out, name, bytes);
	buf_format(out, ": %s</title></head>\n<body><h1>", standing_status(standing));
	put_text(out, name, bytes);
	buf_text(out, "</h1>\n<p>");
	put_verdicts(out, standing);
	buf_format(out, "; up %.0f s\n", (double)(standing->now - snapshot->started) / 1e9);
}

void render_browser(
	struct reply *reply, const struct standing *standing, const struct request *request, const struct render_setup *setup)
{
	struct roll roll;

	(void)setup; /* details were decided with the request */
	reply->code = 200;
	reply->content_type = "text/html; charset=utf-8";
	if (!roll_call(&roll, standing, request)) {
		reply->body.failed = true;
		return;
	}
	buf_text(&reply->body, head);
	put_title(&reply->body, standing, roll.count > 1);
	if (roll.count > 1)
		put_services(&reply->body, &roll);
	else
		put_service(&reply->body, standing, request);
	buf_text(&reply->body, "</body></html>\n");
	roll_end(&roll);
}
