/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/dependencies.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/dependency_table.h"
#include "base/log.h"
#include "state/snapshot.h"

enum { MESSAGES_A_TICK = 2 * DEPENDENCIES };

int dependencies_start(struct dependencies *out, const struct child_setup *setup)
{
	void *board = MAP_FAILED;

	*out = (struct dependencies){.socket = setup->probe_fd, .board_fd = setup->board_fd};
	(void)snprintf(out->service, sizeof(out->service), "%s", setup->settings.service);
	if (setup->board_fd >= 0)
		board = mmap(NULL, sizeof(struct probe_board), PROT_READ | PROT_WRITE, MAP_SHARED, setup->board_fd, 0);
	if (board != MAP_FAILED)
		out->board = board;
	if (out->board && out->board->version != PROBE_BOARD_VERSION) {
		if (out->board->version)
			memset(out->board, 0, sizeof(*out->board)); /* of another agent's making; a new one is zero */
		out->board->version = PROBE_BOARD_VERSION;
	}
	dependencies_configure(out, &setup->settings);
	return out->board ? 0 : -ENOMEM;
}

/* ---- answers */

/* False: of a clock that is not ours. The prober goes on while its messages are read: what is newer than the tick is of
 * the tick. */
static bool bring_into_tick(struct probe_result *result, int64_t now)
{
	if (result->ended > clock_boot_ns())
		return false;
	if (result->ended > now)
		result->ended = now;
	if (result->began > result->ended)
		result->began = result->ended;
	return true;
}

static void take_result(struct dependencies *dependencies, struct probe_result *result, int64_t now)
{
	unsigned index = result->dependency;
	struct dependency_state *state = &dependencies->states[index];
	bool is_new = result->began > state->began;
	char address[PROBE_ADDRESS];

	if (!bring_into_tick(result, now))
		return;
	if (!*result->address) /* over the connection that there was */
		memcpy(address, dependencies->newest[index].address, sizeof(address));
	dependencies->newest[index] = *result;
	if (!*result->address)
		memcpy(dependencies->newest[index].address, address, sizeof(address));
	if (!is_new)
		return; /* told again, for an agent that had not heard it */
	(void)dependency_learn(state, result, &dependencies->limits);
	board_count(dependencies, index, result);
	dependencies->heard = true;
	board_keep(dependencies, index);
	if (dependency_disagrees(state) || open_wants_again(dependencies, index, now))
		plan_ask_again(dependencies, index, result->ended + dependencies->fast_ns);
	open_tell_siblings(dependencies, index, now);
}

static void complain_of_garbage(struct dependencies *dependencies)
{
	dependencies->garbage++;
	if (dependencies->said_garbage)
		return;
	log_event(LOG_LEVEL_WARN, "prober", "the prober sends what is no result: dropped");
	dependencies->said_garbage = true;
}

/* False: nothing more. */
static bool take_message(struct dependencies *dependencies, int64_t now)
{
	union {
		struct probe_result result;
		struct probe_hello hello;
	} message;
	ssize_t got = recv(dependencies->socket, &message, sizeof(message), MSG_DONTWAIT | MSG_TRUNC);

	if (got <= 0)
		return got < 0 && errno == EINTR;
	if (got == (ssize_t)sizeof(message.hello) && message.hello.version == PROBE_WIRE_VERSION)
		dependencies->plan_due = dependencies->set != NULL;
	else if (dependencies->set && got == (ssize_t)sizeof(message.result) && message.result.version == PROBE_WIRE_VERSION &&
		 message.result.epoch != dependencies->set->epoch)
		return true; /* of another reading of the file */
	else if (dependencies->set &&
		 probe_result_check(&message.result, (uint64_t)got, dependencies->set->epoch, dependencies->set->count))
		take_result(dependencies, &message.result, now);
	else
		complain_of_garbage(dependencies);
	return true;
}

/* ---- what is told */

static void tell(const struct dependencies *dependencies, unsigned index)
{
	const struct dependency_standing *now = &dependencies->standing[index];
	const struct probe_result *newest = &dependencies->newest[index];
	const struct dependency *of = &dependencies->set->list[index];
	char detail[400] = "";

	if (now->root >= 0)
		(void)snprintf(detail, sizeof(detail), "because of %s", dependencies->set->list[now->root].name);
	else if (now->error)
		(void)snprintf(detail, sizeof(detail), "%s", newest->detail);
	log_emit(&(struct log_line){.level = now->status == PROBE_UP ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, .event = "dependency",
		.probe = of->name, .from = probe_status_text(dependencies->told[index].status), .to = probe_status_text(now->status),
		.reason = now->error ? probe_error_text(now->error) : NULL, .detail = *detail ? detail : NULL});
}

/* True when something that answers show has changed. */
static bool follow(struct dependencies *dependencies)
{
	bool changed = false;

	for (unsigned i = 0; i < dependencies->set->count; i++) {
		const struct dependency_standing *now = &dependencies->standing[i], *told = &dependencies->told[i];

		if (now->status != told->status)
			tell(dependencies, i);
		changed |= memcmp(now, told, sizeof(*now)) != 0;
	}
	return changed;
}

bool dependencies_change(const struct dependencies *dependencies, unsigned *at, struct dependency_change *out)
{
	while (dependencies->set && *at < dependencies->set->count) {
		unsigned i = (*at)++;

		if (dependencies->standing[i].status == dependencies->told[i].status)
			continue;
		*out = (struct dependency_change){dependencies->set->list[i].name, probe_status_text(dependencies->told[i].status),
			probe_status_text(dependencies->standing[i].status), dependencies->standing[i].error};
		return true;
	}
	return false;
}

static bool sum_work(const struct dependencies *dependencies, int64_t *sum)
{
	bool known = false;

	*sum = 0;
	for (unsigned i = 0; i < dependencies->set->count; i++) {
		const struct dependency_state *state = &dependencies->states[i];

		if (!dependencies->set->list[i].work || !state->has_value || dependencies->standing[i].status == PROBE_UNKNOWN)
			continue;
		known = true;
		*sum += state->value > 0 && state->value < 1e15 ? (int64_t)state->value : 0;
	}
	return known;
}

/* After results have come. */
static void follow_work(struct dependencies *dependencies)
{
	int64_t before = dependencies->work;
	bool was_known = dependencies->work_known;

	dependencies->work_known = sum_work(dependencies, &dependencies->work);
	dependencies->work_falls = was_known && dependencies->work < before;
}

static void take_messages(struct dependencies *dependencies, int64_t now)
{
	unsigned messages = 0;

	while (messages < MESSAGES_A_TICK && dependencies->socket >= 0 && take_message(dependencies, now))
		messages++;
	if (dependencies->plan_due && dependencies->socket >= 0)
		plan_send(dependencies);
}

static void judge_all(struct dependencies *dependencies, bool open, int64_t now)
{
	struct dependency_frame frame = {dependencies->set, dependencies->states, &dependencies->limits, now, open};
	unsigned count = dependencies->set->count;

	open_read_peers(dependencies, now);
	memcpy(dependencies->told, dependencies->standing, count * sizeof(*dependencies->told));
	memset(dependencies->standing, 0, count * sizeof(*dependencies->standing));
	dependencies_judge(&frame, dependencies->standing, &dependencies->summary);
}

bool dependencies_tick(struct dependencies *dependencies, int64_t now)
{
	struct dependency_summary before = dependencies->summary;
	bool changed;

	take_messages(dependencies, now);
	dependencies->summary = (struct dependency_summary){0};
	if (!dependencies->set)
		return before.degraded;
	open_suspect(dependencies, now);
	judge_all(dependencies, dependencies_open(&before), now);
	changed = open_follow(dependencies, &before, now);
	changed |= follow(dependencies);
	if (changed || dependencies->heard)
		follow_work(dependencies);
	dependencies->generation += changed || dependencies->heard;
	dependencies->heard = false;
	return changed;
}

void dependencies_judge_into(const struct dependencies *dependencies, struct verdicts *out)
{
	if (dependencies->set)
		dependencies_tell(dependencies->set, dependencies->standing, &dependencies->summary, out);
}

const char *dependencies_name(const struct dependencies *dependencies, unsigned dependency)
{
	return dependency && dependencies->set && dependency <= dependencies->set->count ? dependencies->set->list[dependency - 1].name : "";
}

bool dependencies_backlog(const struct dependencies *dependencies, int64_t *out, bool *falls)
{
	*out = dependencies->work;
	*falls = dependencies->work_falls;
	return dependencies->set && dependencies->work_known;
}

/* ---- the snapshot */

static bool is_lookup(enum probe_error error)
{
	return error == PROBE_DNS_TIMEOUT || error == PROBE_DNS_NXDOMAIN;
}

static void fill_one(const struct dependencies *dependencies, unsigned index, struct snapshot_dependency *out)
{
	const struct dependency_standing *standing = &dependencies->standing[index];
	const struct dependency_state *state = &dependencies->states[index];
	const struct dependency *of = &dependencies->set->list[index];
	const struct probe_result *newest = &dependencies->newest[index];

	memcpy(out->name, of->name, sizeof(out->name));
	out->kind = of->kind;
	out->class = of->class;
	out->status = standing->status;
	out->error = standing->error;
	out->since = standing->since;
	out->gates = standing->gates && !dependencies_open(&dependencies->summary);
	out->has_value = state->has_value;
	out->value = state->value;
	out->latency_ns = state->ended ? state->latency_ns : -1;
	out->ended = state->ended;
	out->good = state->good;
	out->failures = state->failures;
	out->successes = state->successes;
	if (standing->root >= 0)
		memcpy(out->root, dependencies->set->list[standing->root].name, sizeof(out->root));
	else if (is_lookup(standing->error) && dependency_set_needs_lookup(dependencies->set, of))
		(void)snprintf(out->root, sizeof(out->root), DEPENDENCY_LOOKUP); /* fits */
	else if (standing->status == PROBE_DOWN || standing->status == PROBE_DEGRADED)
		memcpy(out->root, newest->root, sizeof(out->root));
	dependency_show_url(of, out->url, sizeof(out->url));
	memcpy(out->detail, newest->detail, sizeof(out->detail));
	memcpy(out->address, newest->address, sizeof(out->address));
	if (dependencies->board)
		out->counts = dependencies->board->counts[index];
}

/* "connect_timeout, 10.0.0.1:5432 does not answer" */
static void fill_details(struct snapshot *out)
{
	for (unsigned i = 0; i < out->ready.reason_count; i++) {
		struct snapshot_reason *reason = &out->ready.reasons[i];
		const struct snapshot_dependency *of = reason->dependency ? &out->dependencies[reason->dependency - 1] : NULL;

		if (of)
			(void)snprintf(reason->detail, sizeof(reason->detail), "%s%s%s",
				of->error ? probe_error_text(of->error) : "no answer yet", *of->detail ? ", " : "", of->detail); /* cut */
	}
}

void dependencies_fill(const struct dependencies *dependencies, struct snapshot *out)
{
	if (!dependencies->set)
		return;
	out->dependencies = calloc(dependencies->set->count, sizeof(*out->dependencies));
	if (!out->dependencies)
		return;
	out->dependency_count = dependencies->set->count;
	out->degraded = dependencies->summary.degraded;
	for (unsigned i = 0; i < dependencies->set->count; i++)
		fill_one(dependencies, i, &out->dependencies[i]);
	fill_details(out);
}
