/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the service stands at the moment of a request: the last snapshot, and whether it can still be believed.
 * Pure: the caller brings the time. Valid as long as the snapshot is held.
 */
#ifndef LS_STANDING_H
#define LS_STANDING_H

#include <stdbool.h>
#include <stdint.h>

#include "state/snapshot.h"

/* By the sampler's last sign of life, not by the snapshot's own age: one that did not change stays published.
 */
enum freshness {
	FRESHNESS_GOOD,
	FRESHNESS_DOUBTFUL, /* older than 3 ticks + 1 s: the verdict is unknown */
	FRESHNESS_STALE,    /* older than 10 s: not ready */
	FRESHNESS_COUNT
};

enum probe { PROBE_LIVEZ, PROBE_READYZ, PROBE_STARTUPZ, PROBE_COUNT };

struct standing {
	const struct snapshot *snapshot;
	int64_t now, beat; /* CLOCK_BOOTTIME ns */
	enum freshness freshness;
	enum verdict verdict;
	bool ok[PROBE_COUNT];
};

/* `beat`: snapshot_last_beat(), 0 before the first; `tick_ns`: stands in for a snapshot without one. */
struct standing standing_of(const struct snapshot *snapshot, int64_t now, int64_t beat, int64_t tick_ns);

/* "pass", "warn" or "fail": the worst of live and ready. */
const char *standing_status(const struct standing *standing);

const char *probe_name(enum probe probe);  /* "livez" */
const char *probe_label(enum probe probe); /* "live" */
bool probe_has_check(enum probe probe, enum reason_code code);
const struct snapshot_answer *standing_answer(const struct standing *standing, enum probe probe);

/* The free text of a reason; empty: it has none. */
const char *standing_detail(const struct standing *standing, const struct snapshot_reason *reason);

/* REASON_NONE when that text is no check of the probe. */
enum reason_code probe_find_check(enum probe probe, const char *name);

/* Agrees with ok[]: a check fails only where its probe does. */
bool standing_check_fails(const struct standing *standing, enum probe probe, enum reason_code code);

#endif
