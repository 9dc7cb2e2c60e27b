/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/dependencies.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

static uint64_t hash(const void *bytes, size_t count)
{
	const unsigned char *at = bytes;
	uint64_t value = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

	while (count--)
		value = (value ^ *at++) * UINT64_C(0x100000001b3);
	return value;
}

static uint64_t check_of(const struct probe_row *row)
{
	return hash((const char *)row + sizeof(row->check), sizeof(*row) - sizeof(row->check));
}

static void unpack(const struct probe_row *row, struct dependency_state *out)
{
	*out = (struct dependency_state){.began = row->began, .ended = row->ended, .good = row->good, .since = row->since,
		.status = row->status < PROBE_STATUSES ? (enum probe_status)row->status : PROBE_UNKNOWN,
		.error = row->error < PROBE_ERRORS ? (enum probe_error)row->error : PROBE_OK, .failures = row->failures,
		.successes = row->successes, .value = row->value, .has_value = row->has_value != 0, .latency_ns = row->latency_ns};
}

void board_keep(struct dependencies *dependencies, unsigned index)
{
	const struct dependency_state *state = &dependencies->states[index];
	struct probe_row row;

	if (!dependencies->board)
		return;
	memset(&row, 0, sizeof(row));
	row.name = dependencies->identities[index];
	row.began = state->began;
	row.ended = state->ended;
	row.good = state->good;
	row.since = state->since;
	row.status = state->status;
	row.error = state->error;
	row.failures = state->failures;
	row.successes = state->successes;
	row.value = state->value;
	row.has_value = state->has_value;
	row.latency_ns = state->latency_ns;
	row.check = check_of(&row);
	memcpy(&dependencies->board->rows[index], &row, sizeof(row)); /* half of it does not check */
}

/* A row of that dependency, wherever the file had it before; -1: there is none. */
static int find_row(const struct probe_board *before, uint64_t identity)
{
	for (int i = 0; i < DEPENDENCIES; i++)
		if (before->rows[i].name == identity && before->rows[i].check == check_of(&before->rows[i]))
			return i;
	return -1;
}

static void load_one(struct dependencies *dependencies, const struct probe_board *before, unsigned index)
{
	int row = find_row(before, dependencies->identities[index]);

	memset(&dependencies->board->counts[index], 0, sizeof(dependencies->board->counts[index]));
	if (row >= 0) {
		unpack(&before->rows[row], &dependencies->states[index]);
		dependencies->board->counts[index] = before->counts[row];
	}
	board_keep(dependencies, index);
}

void board_load(struct dependencies *dependencies)
{
	const struct dependency_set *set = dependencies->set;
	bool empty = !set && (!dependencies->board || !dependencies->board->wanted); /* then not a page of it is touched */
	struct probe_board *before = dependencies->board && !empty ? malloc(sizeof(*before)) : NULL;

	for (unsigned i = 0; set && i < set->count; i++)
		dependencies->identities[i] = dependency_identity(&set->list[i]);
	if (!before)
		return;
	memcpy(before, dependencies->board, sizeof(*before));
	for (unsigned i = 0; set && i < set->count; i++)
		load_one(dependencies, before, i);
	if (set && set->count < DEPENDENCIES)
		memset(&dependencies->board->rows[set->count], 0, (DEPENDENCIES - set->count) * sizeof(struct probe_row));
	free(before);
	/* the supervisor starts a prober by this, or ends it */
	__atomic_store_n(&dependencies->board->wanted, set ? set->count : 0, __ATOMIC_RELEASE);
}

static enum probe_outcome outcome_of(const struct probe_result *result)
{
	if (result->status == PROBE_UP)
		return OUTCOME_SUCCESS;
	if (result->status == PROBE_DEGRADED)
		return OUTCOME_DEGRADED;
	return result->error == PROBE_TIMEOUT || result->error == PROBE_CONNECT_TIMEOUT || result->error == PROBE_DNS_TIMEOUT
		       ? OUTCOME_TIMEOUT
		       : OUTCOME_FAILURE;
}

void board_count(struct dependencies *dependencies, unsigned index, const struct probe_result *result)
{
	struct probe_counts *counts = dependencies->board ? &dependencies->board->counts[index] : NULL;

	if (!counts)
		return;
	counts->outcomes[outcome_of(result)]++;
	for (unsigned phase = 0; phase < PHASES; phase++) {
		int64_t ns = result->phase_ns[phase];
		unsigned bucket = 0;

		if (!ns)
			continue;
		while (bucket < PROBE_BUCKETS && ns > probe_bucket_ns(bucket))
			bucket++;
		if (bucket < PROBE_BUCKETS)
			counts->phases[phase].buckets[bucket]++;
		counts->phases[phase].count++;
		counts->phases[phase].sum_ns += ns;
	}
}
