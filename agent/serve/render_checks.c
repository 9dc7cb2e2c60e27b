/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The z-paths in kube-apiserver's format: "ok" when all is well and nobody asks for more, else a line for
 * each check. Machines read the status code; the lines are for people and scripts.
 */
#include "serve/render.h"

#include <string.h>

/* The excludes of a request that no check took, each text once, in the order of the alphabet. */
struct leftovers {
	const char *names[REQUEST_EXCLUDES];
	unsigned count;
};

static bool is_excluded(const struct request *request, const char *name)
{
	for (unsigned i = 0; i < request->exclude_count; i++)
		if (strcmp(request->excludes[i], name) == 0)
			return true;
	return false;
}

static void insert_sorted(struct leftovers *left, const char *name)
{
	unsigned at = left->count;

	for (unsigned i = 0; i < left->count; i++)
		if (strcmp(left->names[i], name) == 0)
			return;
	for (; at > 0 && strcmp(left->names[at - 1], name) > 0; at--)
		left->names[at] = left->names[at - 1];
	left->names[at] = name;
	left->count++;
}

static void warn_of_leftovers(struct buf *body, enum probe probe, const struct request *request)
{
	struct leftovers left = {.count = 0};

	for (unsigned i = 0; i < request->exclude_count; i++)
		if (probe_find_check(probe, request->excludes[i]) == REASON_NONE)
			insert_sorted(&left, request->excludes[i]);
	if (left.count == 0)
		return;
	buf_text(body, "warn: some health checks cannot be excluded: no matches for ");
	for (unsigned i = 0; i < left.count; i++) {
		buf_text(body, i ? ",\"" : "\"");
		buf_printable(body, left.names[i]);
		buf_char(body, '"');
	}
	buf_char(body, '\n');
}

static void write_line(struct buf *body, const char *name, bool excluded, bool fails)
{
	buf_text(body, fails && !excluded ? "[-]" : "[+]");
	buf_text(body, name);
	if (excluded) {
		buf_text(body, " excluded: ok\n");
	} else if (fails) {
		buf_text(body, " failed: ");
		buf_text(body, name); /* the code of the contract is the check's name */
		buf_char(body, '\n');
	} else {
		buf_text(body, " ok\n");
	}
}

static void end_with(struct reply *reply, enum probe probe, bool ok)
{
	reply->code = ok ? 200 : 503;
	buf_text(&reply->body, probe_name(probe));
	buf_text(&reply->body, ok ? " check passed\n" : " check failed\n");
}

/* Every check of the probe; a failure that no check explains cannot be excluded. */
static void write_all(
	struct reply *reply, const struct standing *standing, enum probe probe, const struct request *request)
{
	unsigned failing = 0, forgiven = 0;

	for (enum reason_code code = REASON_NONE + 1; code < REASON_COUNT; code++) {
		bool fails, excluded;

		if (!probe_has_check(probe, code))
			continue;
		fails = standing_check_fails(standing, probe, code);
		excluded = is_excluded(request, reason_text(code));
		failing += fails && !excluded;
		forgiven += fails && excluded;
		write_line(&reply->body, reason_text(code), excluded, fails);
	}
	warn_of_leftovers(&reply->body, probe, request);
	end_with(reply, probe, standing->ok[probe] || (failing == 0 && forgiven > 0));
}

static void write_ok(struct reply *reply)
{
	buf_free(&reply->body);
	buf_text(&reply->body, "ok");
}

/* /readyz/NAME */
static void write_one(struct reply *reply, const struct standing *standing, enum probe probe, const char *name)
{
	enum reason_code code = probe_find_check(probe, name);

	if (code == REASON_NONE) {
		reply->code = 404;
		buf_text(&reply->body, "404 page not found\n");
		return;
	}
	if (!standing_check_fails(standing, probe, code)) {
		reply->code = 200;
		write_ok(reply);
		return;
	}
	write_line(&reply->body, name, false, true);
	end_with(reply, probe, false);
}

static void render_probe(
	struct reply *reply, const struct standing *standing, enum probe probe, const struct request *request)
{
	reply->content_type = "text/plain; charset=utf-8";
	if (request->check) {
		write_one(reply, standing, probe, request->check);
		return;
	}
	if (standing->ok[probe] && !request->verbose) {
		reply->code = 200;
		write_ok(reply);
		return;
	}
	write_all(reply, standing, probe, request);
	if (reply->code == 200 && !request->verbose)
		write_ok(reply);
}

void render_livez(struct reply *reply, const struct standing *standing, const struct request *request,
	const struct render_setup *setup)
{
	(void)setup; /* the same for everyone */
	render_probe(reply, standing, PROBE_LIVEZ, request);
}

void render_readyz(struct reply *reply, const struct standing *standing, const struct request *request,
	const struct render_setup *setup)
{
	(void)setup; /* the same for everyone */
	render_probe(reply, standing, PROBE_READYZ, request);
}

void render_startupz(struct reply *reply, const struct standing *standing, const struct request *request,
	const struct render_setup *setup)
{
	(void)setup; /* the same for everyone */
	render_probe(reply, standing, PROBE_STARTUPZ, request);
}
