/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/whole.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

struct answers {
	enum verdict verdict;
	bool live, ready, startup;
	unsigned services, dependencies; /* the latter: their generation */
};

static struct answers shown; /* owner: the sampler */

/* From best to worst. Silence is better than a known fault, and worse than health. */
static const unsigned badness[VERDICT_COUNT] = {
	[VERDICT_ALIVE] = 0, [VERDICT_UNKNOWN] = 1, [VERDICT_DEGRADED] = 2, [VERDICT_DEAD] = 3};

/* The whole is judged by those that are services for sure, or by all while there is none such. */
static bool any_settled(const struct fleet *fleet)
{
	for (unsigned i = 0; i < fleet->count; i++) {
		if (service_is_settled(fleet->services[i]))
			return true;
	}
	return false;
}

/* Without a service nothing is known, nothing is ready and nothing has started. */
static struct answers sum_up(const struct fleet *fleet)
{
	bool any = fleet->count > 0;
	bool settled_only = any_settled(fleet);
	struct answers all = {any ? VERDICT_ALIVE : VERDICT_UNKNOWN, true, any, any, fleet->count, fleet->dependencies.generation};

	for (unsigned i = 0; i < fleet->count; i++) {
		const struct verdicts *one = &fleet->services[i]->verdicts;

		if (settled_only && !service_is_settled(fleet->services[i]))
			continue;
		if (badness[one->verdict] > badness[all.verdict])
			all.verdict = one->verdict;
		all.live &= one->live_ok;
		all.ready &= one->ready_ok;
		all.startup &= one->startup_ok;
	}
	return all;
}

bool whole_follow(const struct fleet *fleet)
{
	struct answers now = sum_up(fleet);

	return now.verdict != shown.verdict || now.live != shown.live || now.ready != shown.ready ||
	       now.startup != shown.startup || now.services != shown.services || now.dependencies != shown.dependencies;
}

/* Dependencies are those of all. */
static bool is_told(const struct snapshot_answer *of, const struct reason *reason)
{
	for (unsigned i = 0; i < of->reason_count; i++)
		if (reason->dependency && of->reasons[i].dependency == reason->dependency && of->reasons[i].code == reason->code)
			return true;
	return false;
}

static void add_reason(struct snapshot_answer *to, const struct reason *reason, const char *whose)
{
	struct snapshot_reason *added;

	if (to->reason_count == SNAPSHOT_REASONS || is_told(to, reason))
		return;
	added = &to->reasons[to->reason_count++];
	*added = (struct snapshot_reason){.code = reason->code, .held = reason->held, .minor = reason->minor, .since = reason->since,
		.dependency = reason->dependency};
	(void)snprintf(added->detail, sizeof(added->detail), "%s", whose);
}

/* First what fails, then what is only shown: the list may be too short for all. */
static void add_reasons(struct snapshot_answer *to, const struct reason_list *from, bool failing, const char *whose)
{
	for (unsigned i = 0; i < from->count; i++) {
		if ((from->items[i].held == HELD_NO && !from->items[i].minor) == failing)
			add_reason(to, &from->items[i], whose);
	}
}

static void fill_reasons(struct snapshot *out, const struct fleet *fleet)
{
	bool settled_only = any_settled(fleet);
	const struct reason none = {.code = REASON_STARTING, .since = fleet->common.setup->run_started};

	for (int failing = 1; failing >= 0; failing--) {
		for (unsigned i = 0; i < fleet->count; i++) {
			const struct service *service = fleet->services[i];

			if (settled_only && !service_is_settled(service))
				continue;
			add_reasons(&out->live, &service->verdicts.live, failing, service->name);
			add_reasons(&out->ready, &service->verdicts.ready, failing, service->name);
			add_reasons(&out->startup, &service->verdicts.startup, failing, service->name);
		}
	}
	if (fleet->count)
		return;
	add_reason(&out->ready, &none, "no service has joined");
	add_reason(&out->startup, &none, "no service has joined");
}

static void add_counts(struct snapshot *out, const struct service *service)
{
	const struct notebook_core *core = &service->notebook.core;

	out->beats_total += core->beats;
	for (int i = 0; i < 3; i++)
		out->transitions[i] += core->transitions[i];
	out->sweep_seconds += service->sweep_seconds;
	for (unsigned i = 0; i < service->tree.count; i++)
		out->coverage_counts[service->tree.rows[i].coverage]++;
}

static void fill_agent(struct snapshot *out, const struct fleet *fleet, int64_t now)
{
	const struct child_setup *setup = fleet->common.setup;
	const struct settings *settings = &fleet->common.settings;

	(void)snprintf(out->service, sizeof(out->service), "%s", settings->service[0] ? settings->service : "lifesign");
	(void)snprintf(out->version, sizeof(out->version), "%s", settings->service_version);
	out->sampled = now;
	out->wall = clock_wall_ns();
	out->tick_ns = (int64_t)(settings->liveness.sample_seconds * (double)NS_PER_SECOND);
	out->started = setup->run_started;
	out->observe = settings->observe || settings->liveness.mode == LIVENESS_OBSERVE;
	out->agent_pid = getpid();
	out->agent_restarts = setup->restarts;
	out->bare = setup->bare;
	out->overruns = fleet->own.core.overruns;
	out->config_generation = fleet->own.core.config_generation;
	(void)snprintf(out->config_error, sizeof(out->config_error), "%s", fleet->common.config_error);
}

void whole_publish(const struct fleet *fleet, int64_t now)
{
	struct snapshot *out = snapshot_new(0, 0);

	if (!out)
		return;
	shown = sum_up(fleet);
	out->verdict = shown.verdict;
	out->live.ok = shown.live;
	out->ready.ok = shown.ready;
	out->startup.ok = shown.startup;
	fill_reasons(out, fleet);
	fill_agent(out, fleet, now);
	dependencies_fill(&fleet->dependencies, out);
	for (unsigned i = 0; i < fleet->count; i++)
		add_counts(out, fleet->services[i]);
	snapshot_publish_root(out);
}
