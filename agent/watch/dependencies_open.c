/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/dependencies.h"

#include <stdatomic.h>
#include <string.h>

#include "base/log.h"

/* ---- siblings */

/* Of failOpen.peers: always the last one. -1: none are asked. */
static int find_peers(const struct dependencies *dependencies)
{
	unsigned last = dependencies->set->count - 1;

	return dependencies->set->list[last].kind == DEPENDENCY_PEERS ? (int)last : -1;
}

/* What fell here falls at theirs within a period: so long they are asked often. */
static bool peers_matter(const struct dependencies *dependencies, int64_t now)
{
	const struct dependency_summary *summary = &dependencies->summary;

	return summary->gates && !summary->fail_open && now - summary->since < 2 * dependencies->period_ns;
}

/* A question of a sibling has told of a failure that we may not have met yet. Atomic. */
static atomic_bool suspicion;

void dependencies_suspect(void)
{
	atomic_store(&suspicion, true);
}

/* All replicas asking at one moment what one of them missed would be a burst: each has its own moment. Never twice
 * within fastSeconds. */
static int64_t own_moment(const struct dependencies *dependencies, unsigned index, int64_t now)
{
	int64_t spread = now + now % (dependencies->fast_ns / 2 + 1), earliest = dependencies->states[index].began + dependencies->fast_ns;

	return spread > earliest ? spread : earliest;
}

void open_suspect(struct dependencies *dependencies, int64_t now)
{
	if (now - dependencies->suspected < dependencies->fast_ns || find_peers(dependencies) < 0 || !atomic_exchange(&suspicion, false))
		return;
	dependencies->suspected = now;
	for (unsigned i = 0; i < dependencies->set->count; i++)
		if (dependencies->set->list[i].class == DEPENDENCY_HARD && dependencies->states[i].status != PROBE_DOWN)
			plan_ask_again(dependencies, i, own_moment(dependencies, i, now));
}

void open_tell_siblings(struct dependencies *dependencies, unsigned index, int64_t now)
{
	const struct dependency_state *state = &dependencies->states[index];
	int peers = find_peers(dependencies);

	if (peers >= 0 && dependencies->set->list[index].class == DEPENDENCY_HARD && state->failures && state->status != PROBE_DOWN)
		plan_ask_again(dependencies, (unsigned)peers, now);
}

bool open_wants_again(const struct dependencies *dependencies, unsigned index, int64_t now)
{
	return (int)index == find_peers(dependencies) && peers_matter(dependencies, now);
}

void open_read_peers(struct dependencies *dependencies, int64_t now)
{
	int index = find_peers(dependencies);
	const struct dependency_state *state = &dependencies->states[index < 0 ? 0 : index];
	bool known = index >= 0 && state->status == PROBE_UP && state->has_value && now - state->ended <= dependencies->limits.stale_ns;

	dependencies->limits.peers_failing = known ? state->value : -1;
	dependencies->limits.peers_began = known ? state->began : 0;
}

bool open_follow(const struct dependencies *dependencies, const struct dependency_summary *before, int64_t now)
{
	const struct dependency_summary *summary = &dependencies->summary;
	int peers = find_peers(dependencies);

	if (summary->fail_open && !before->fail_open)
		log_event(LOG_LEVEL_WARN, "dependency", "hard dependencies are down, but not by a fault of this service: it stays ready (failOpen)");
	if (peers >= 0 && !before->gates && peers_matter(dependencies, now))
		plan_ask_again(dependencies, (unsigned)peers, now);
	return before->fail_open != summary->fail_open || before->asking != summary->asking;
}

/* ---- who waits for a dependency */

static bool may_fail_open(const struct dependencies *dependencies)
{
	return dependencies->limits.all_hard_down || dependencies->limits.peer_share > 0;
}

/* So long it takes to find out that it is down. */
static int64_t verdict_takes(const struct dependencies *dependencies)
{
	int64_t question = dependencies->timeout_ns + dependencies->fast_ns;

	return dependencies->limits.failure_threshold * question + question;
}

/* Nobody has yet said whether it is down; asked at once, it is said soon. */
static bool is_undecided(struct dependencies *dependencies, unsigned index, int64_t since, int64_t now)
{
	const struct dependency_state *state = &dependencies->states[index];

	if (dependencies->standing[index].status == PROBE_DOWN || now - since >= verdict_takes(dependencies))
		return false;
	if (state->began < since && now - dependencies->nudged >= dependencies->fast_ns) {
		dependencies->nudged = now;
		plan_ask_again(dependencies, index, now);
	}
	return state->began < since || state->failures > 0;
}

bool dependencies_forgive(struct dependencies *dependencies, unsigned dependency, int64_t since, int64_t now)
{
	if (!dependency || !dependencies->set || !may_fail_open(dependencies) ||
		dependencies->set->list[dependency - 1].class != DEPENDENCY_HARD || !dependencies_open(&dependencies->summary))
		return false;
	return dependencies->standing[dependency - 1].gates || is_undecided(dependencies, dependency - 1, since, now);
}

/* What is down explains more than what is not. */
static int explains(const struct dependencies *dependencies, unsigned index)
{
	if (dependencies->standing[index].status == PROBE_DOWN)
		return 3;
	return dependencies->states[index].failures ? 2 : 1;
}

unsigned dependencies_at(const struct dependencies *dependencies, const char *address)
{
	unsigned found = 0;

	for (unsigned i = 0; dependencies->set && *address && i < dependencies->set->count; i++)
		if (!strcmp(dependencies->newest[i].address, address) &&
			(!found || explains(dependencies, i) > explains(dependencies, found - 1)))
			found = i + 1;
	return found;
}
