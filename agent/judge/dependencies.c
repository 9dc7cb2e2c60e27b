/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/dependencies.h"

#include <string.h>

static bool is_down(enum probe_status status)
{
	return status == PROBE_DOWN;
}

static bool set_status(struct dependency_state *state, enum probe_status status, const struct probe_result *result)
{
	bool changed = state->status != status || state->error != (enum probe_error)result->error;

	if (state->status != status)
		state->since = result->ended;
	state->status = status;
	state->error = (enum probe_error)result->error;
	return changed;
}

static void count(struct dependency_state *state, const struct probe_result *result)
{
	bool down = is_down((enum probe_status)result->status);

	state->failures = down ? state->failures + 1 : 0;
	state->successes = down ? 0 : state->successes + 1;
	state->began = result->began;
	state->ended = result->ended;
	state->latency_ns = result->ended - result->began;
	state->has_value = result->has_value;
	state->value = result->value;
	if (!down)
		state->good = result->ended;
}

bool dependency_learn(
	struct dependency_state *state, const struct probe_result *result, const struct dependency_limits *limits)
{
	enum probe_status status = (enum probe_status)result->status;

	if (result->began <= state->began)
		return false;
	count(state, result);
	if (is_down(status)) {
		if (state->status != PROBE_UNKNOWN && !is_down(state->status) && state->failures < limits->failure_threshold)
			return false;
	} else if (state->status == PROBE_UNKNOWN || is_down(state->status)) {
		if (state->successes < limits->success_threshold)
			return false;
	}
	return set_status(state, status, result);
}

bool dependency_disagrees(const struct dependency_state *state)
{
	return state->ended && (state->status == PROBE_UNKNOWN || (state->failures > 0) != is_down(state->status));
}

/* ---- all of them ---- */

static bool is_failing(enum probe_status status)
{
	return status == PROBE_DOWN || status == PROBE_UNKNOWN;
}

static void stand(const struct dependency_frame *frame, unsigned index, struct dependency_standing *out)
{
	const struct dependency_state *state = &frame->states[index];

	*out = (struct dependency_standing){state->status, state->error, state->since, DEPENDENCY_NOBODY, false, false, false};
	if (!state->ended || frame->now - state->ended > frame->limits->stale_ns) {
		out->status = PROBE_UNKNOWN;
		out->error = PROBE_OK;
		out->since = state->ended;
	}
}

/* The first cause: what it needs, that is down, through any number of steps. The file has no circles. */
static int find_root(const struct dependency_frame *frame, const struct dependency_standing *all, int index)
{
	int root = DEPENDENCY_NOBODY;

	for (unsigned steps = 0; steps < frame->set->count; steps++) {
		const struct dependency *of = &frame->set->list[index];
		int next = DEPENDENCY_NOBODY;

		for (unsigned i = 0; i < of->need_count && next == DEPENDENCY_NOBODY; i++) {
			int need = dependency_set_find(frame->set, of->needs[i]);

			if (need >= 0 && is_down(all[need].status))
				next = need;
		}
		if (next == DEPENDENCY_NOBODY)
			return root;
		root = index = next;
	}
	return root;
}

static void find_roots(const struct dependency_frame *frame, struct dependency_standing *all)
{
	for (unsigned i = 0; i < frame->set->count; i++)
		if (is_down(all[i].status))
			all[i].root = find_root(frame, all, (int)i);
	for (unsigned i = 0; i < frame->set->count; i++)
		if (all[i].root != DEPENDENCY_NOBODY)
			all[i].error = PROBE_SKIPPED;
}

/* Enough of its group are up. */
static bool is_covered(const struct dependency_frame *frame, const struct dependency_standing *all, unsigned index)
{
	int group = dependency_set_group(frame->set, frame->set->list[index].group_name);
	unsigned up = 0;

	if (group < 0)
		return false;
	for (unsigned i = 0; i < frame->set->count; i++)
		up += !is_failing(all[i].status) && !strcmp(frame->set->list[i].group_name, frame->set->groups[group].name);
	return up >= frame->set->groups[group].at_least;
}

static void weigh(const struct dependency_frame *frame, struct dependency_standing *all, unsigned index)
{
	struct dependency_standing *one = &all[index];
	enum dependency_class class = frame->set->list[index].class;
	bool failing = is_failing(one->status);

	one->covered = failing && is_covered(frame, all, index);
	one->gates = failing && class == DEPENDENCY_HARD && !one->covered;
	one->minor = !one->gates && class != DEPENDENCY_INFO && (one->status == PROBE_DOWN || one->status == PROBE_DEGRADED);
}

/* All hard ones are down, for sure, and not all on one machine. */
static bool all_hard_are_down(const struct dependency_frame *frame, const struct dependency_standing *all)
{
	const char *host = NULL;
	bool hosts_differ = false;

	for (unsigned i = 0; i < frame->set->count; i++) {
		const struct dependency *of = &frame->set->list[i];

		if (of->class != DEPENDENCY_HARD)
			continue;
		if (all[i].status != PROBE_DOWN)
			return false;
		hosts_differ |= host && strcmp(host, of->at.host) != 0;
		host = of->at.host;
	}
	return hosts_differ;
}

static bool fails_open(const struct dependency_frame *frame, const struct dependency_standing *all)
{
	const struct dependency_limits *limits = frame->limits;

	if (limits->all_hard_down && all_hard_are_down(frame, all))
		return true;
	return limits->peer_share > 0 && limits->peers_failing >= limits->peer_share;
}

/* All replicas of a service see their database die within moments of each other. Without this the first ones would
 * leave before the others can tell that it is down for them, too. */
static bool awaits_peers(const struct dependency_frame *frame, int64_t fell)
{
	const struct dependency_limits *limits = frame->limits;

	return frame->open && limits->peer_share > 0 && limits->peers_failing >= 0 && limits->peers_began < fell &&
	       frame->now - fell < limits->peers_wait_ns;
}

bool dependencies_open(const struct dependency_summary *summary)
{
	return !summary->gates || summary->fail_open || summary->asking;
}

void dependencies_judge(
	const struct dependency_frame *frame, struct dependency_standing *out, struct dependency_summary *summary)
{
	*summary = (struct dependency_summary){0};
	for (unsigned i = 0; i < frame->set->count; i++)
		stand(frame, i, &out[i]);
	find_roots(frame, out);
	for (unsigned i = 0; i < frame->set->count; i++) {
		weigh(frame, out, i);
		summary->gates |= out[i].gates;
		summary->degraded |= out[i].minor || out[i].gates;
		if (out[i].gates && out[i].since > summary->since)
			summary->since = out[i].since;
	}
	summary->fail_open = summary->gates && fails_open(frame, out);
	summary->asking = summary->gates && !summary->fail_open && awaits_peers(frame, summary->since);
}

static void add(struct reason_list *list, struct reason reason)
{
	if (list->count < VERDICT_REASONS)
		list->items[list->count++] = reason;
}

void dependencies_tell(const struct dependency_set *set, const struct dependency_standing *standing,
	const struct dependency_summary *summary, struct verdicts *out)
{
	unsigned told = 0;

	for (int gating = 1; gating >= 0; gating--) {
		for (unsigned i = 0; i < set->count && told < DEPENDENCY_REASONS; i++) {
			if (gating ? !standing[i].gates : !standing[i].minor)
				continue;
			add(&out->ready, (struct reason){.code = REASON_DEPENDENCY_DOWN,
				.minor = !gating || dependencies_open(summary),
				.since = standing[i].since,
				.dependency = i + 1});
			told++;
		}
	}
	if (summary->fail_open)
		add(&out->ready, (struct reason){.code = REASON_FAIL_OPEN, .minor = true, .since = summary->since});
	else if (!dependencies_open(summary))
		out->ready_ok = false;
}
