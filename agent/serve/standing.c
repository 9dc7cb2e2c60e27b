/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/standing.h"

#include <string.h>

#include "base/clock.h"

enum { DOUBT_TICKS = 3, DOUBT_SECONDS = 1, STALE_SECONDS = 10 }; /* the contract's */

static const struct {
	const char *name, *label;
	bool (*has_check)(enum reason_code code);
} probes[PROBE_COUNT] = {
	[PROBE_LIVEZ] = {"livez", "live", reason_is_live},
	[PROBE_READYZ] = {"readyz", "ready", reason_is_ready},
	[PROBE_STARTUPZ] = {"startupz", "startup", reason_is_startup},
};

static enum freshness freshness_of(int64_t age, int64_t tick_ns)
{
	if (age > STALE_SECONDS * NS_PER_SECOND)
		return FRESHNESS_STALE;
	if (age > DOUBT_TICKS * tick_ns + DOUBT_SECONDS * NS_PER_SECOND)
		return FRESHNESS_DOUBTFUL;
	return FRESHNESS_GOOD;
}

struct standing standing_of(const struct snapshot *snapshot, int64_t now, int64_t beat, int64_t tick_ns)
{
	struct standing standing = {.snapshot = snapshot, .now = now, .beat = beat};

	if (beat != 0)
		standing.freshness =
			freshness_of(now - beat, snapshot->tick_ns > 0 ? snapshot->tick_ns : tick_ns);
	standing.verdict = standing.freshness == FRESHNESS_GOOD ? snapshot->verdict : VERDICT_UNKNOWN;
	standing.ok[PROBE_LIVEZ] = standing.verdict != VERDICT_DEAD;
	standing.ok[PROBE_READYZ] = snapshot->ready.ok && standing.freshness != FRESHNESS_STALE;
	standing.ok[PROBE_STARTUPZ] = snapshot->startup.ok;
	return standing;
}

const char *standing_status(const struct standing *standing)
{
	if (!standing->ok[PROBE_LIVEZ] || !standing->ok[PROBE_READYZ])
		return "fail";
	return standing->verdict == VERDICT_ALIVE && !standing->snapshot->degraded ? "pass" : "warn";
}

const char *probe_name(enum probe probe)
{
	return probes[probe].name;
}

const char *probe_label(enum probe probe)
{
	return probes[probe].label;
}

bool probe_has_check(enum probe probe, enum reason_code code)
{
	return probes[probe].has_check(code);
}

const struct snapshot_answer *standing_answer(const struct standing *standing, enum probe probe)
{
	if (probe == PROBE_LIVEZ)
		return &standing->snapshot->live;
	return probe == PROBE_READYZ ? &standing->snapshot->ready : &standing->snapshot->startup;
}

const char *standing_detail(const struct standing *standing, const struct snapshot_reason *reason)
{
	const struct snapshot_chain *chain = &standing->snapshot->chain;

	return chain->code == reason->code && chain->words[0] ? chain->words : reason->detail;
}

enum reason_code probe_find_check(enum probe probe, const char *name)
{
	for (enum reason_code code = REASON_NONE + 1; code < REASON_COUNT; code++)
		if (probe_has_check(probe, code) && strcmp(name, reason_text(code)) == 0)
			return code;
	return REASON_NONE;
}

bool standing_check_fails(const struct standing *standing, enum probe probe, enum reason_code code)
{
	const struct snapshot_answer *answer = standing_answer(standing, probe);

	if (standing->ok[probe])
		return false;
	if (probe == PROBE_READYZ && code == REASON_STALE && standing->freshness == FRESHNESS_STALE)
		return true;
	if (probe == PROBE_READYZ && answer->ok)
		return false;
	for (unsigned i = 0; i < answer->reason_count; i++)
		if (answer->reasons[i].code == code && answer->reasons[i].held == HELD_NO &&
			!answer->reasons[i].minor)
			return true;
	return false;
}
