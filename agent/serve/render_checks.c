/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The z-paths in kube-apiserver's format: "ok" when all is well and nobody asks for more, else a line for
 * each check. Machines read the status code; the lines are for people and scripts.
 */
#include "serve/render.h"
#include "serve/render_dependencies.h"

#include <string.h>

_Static_assert((int)REQUEST_EXCLUDES >= (int)DEPENDENCIES + (int)REASON_COUNT, "each check of readyz can be excluded");

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

static bool is_check(const struct standing *standing, enum probe probe, const char *name)
{
	return probe_find_check(probe, name) != REASON_NONE ||
	       (probe == PROBE_READYZ && dependency_check(standing->snapshot, name));
}

static void warn_of_leftovers(
	struct buf *body, const struct standing *standing, enum probe probe, const struct request *request)
{
	struct leftovers left = {.count = 0};

	for (unsigned i = 0; i < request->exclude_count; i++)
		if (!is_check(standing, probe, request->excludes[i]))
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

/* `why`: the code of the contract, which for most checks is their name. */
static void write_line(struct buf *body, const char *name, bool excluded, bool fails, const char *why)
{
	buf_text(body, fails && !excluded ? "[-]" : "[+]");
	buf_text(body, name);
	if (excluded) {
		buf_text(body, " excluded: ok\n");
	} else if (fails) {
		buf_text(body, " failed: ");
		buf_text(body, why);
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

struct tally {
	unsigned failing, forgiven;
};

/* Each dependency is a check by its own name; those that do not gate never fail. */
static void write_dependencies(
	struct reply *reply, const struct standing *standing, const struct request *request, struct tally *tally)
{
	for (unsigned i = 0; i < standing->snapshot->dependency_count; i++) {
		const struct snapshot_dependency *of = &standing->snapshot->dependencies[i];
		bool fails = of->gates && !standing->ok[PROBE_READYZ], excluded = is_excluded(request, of->name);

		tally->failing += fails && !excluded;
		tally->forgiven += fails && excluded;
		write_line(&reply->body, of->name, excluded, fails, dependency_failure(of));
	}
}

/* Every check of the probe; a failure that no check explains cannot be excluded. */
static void write_all(
	struct reply *reply, const struct standing *standing, enum probe probe, const struct request *request)
{
	struct tally tally = {0}, of_dependencies = {0};

	if (probe == PROBE_READYZ)
		write_dependencies(reply, standing, request, &of_dependencies);
	for (enum reason_code code = REASON_NONE + 1; code < REASON_COUNT; code++) {
		bool fails, excluded;

		if (!probe_has_check(probe, code))
			continue;
		fails = standing_check_fails(standing, probe, code);
		excluded = is_excluded(request, reason_text(code));
		if (code == REASON_DEPENDENCY_DOWN && probe == PROBE_READYZ) /* it is the sum of those by name */
			fails = fails && (of_dependencies.failing || !of_dependencies.forgiven);
		tally.failing += fails && !excluded;
		tally.forgiven += fails && excluded;
		if (code == REASON_DEPENDENCY_DOWN && excluded)
			of_dependencies.failing = 0;
		write_line(&reply->body, reason_text(code), excluded, fails, reason_text(code));
	}
	tally.failing += of_dependencies.failing;
	tally.forgiven += of_dependencies.forgiven;
	warn_of_leftovers(&reply->body, standing, probe, request);
	end_with(reply, probe, standing->ok[probe] || (tally.failing == 0 && tally.forgiven > 0));
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
	const struct snapshot_dependency *of = probe == PROBE_READYZ ? dependency_check(standing->snapshot, name) : NULL;
	bool fails = of ? of->gates && !standing->ok[probe] : code != REASON_NONE && standing_check_fails(standing, probe, code);

	if (code == REASON_NONE && !of) {
		reply->code = 404;
		buf_text(&reply->body, "404 page not found\n");
		return;
	}
	if (!fails) {
		reply->code = 200;
		write_ok(reply);
		return;
	}
	write_line(&reply->body, name, false, true, of ? dependency_failure(of) : name);
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
