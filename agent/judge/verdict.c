/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/verdict.h"

static void add_reason(struct reason_list *list, enum reason_code code, enum held_code held, int64_t since)
{
	if (list->count < VERDICT_REASONS)
		list->items[list->count++] = (struct reason){.code = code, .held = held, .since = since};
}

static bool any_counts(const struct reason_list *list)
{
	for (unsigned i = 0; i < list->count; i++) {
		if (list->items[i].held == HELD_NO && !list->items[i].minor)
			return true;
	}
	return false;
}

/* A proof passes starting, draining and pauses: nothing of these will end it. */
static void add_proofs(const struct service_facts *facts, struct reason_list *list)
{
	const struct {
		enum reason_code code;
		int64_t since;
		bool counts;
	} proofs[] = {{REASON_DEADLOCK, facts->deadlock, facts->deadlock_counts},
		{REASON_ORPHANED_LOCK, facts->orphaned_lock, facts->orphaned_lock_counts}};

	for (unsigned i = 0; i < sizeof(proofs) / sizeof(proofs[0]); i++) {
		if (!proofs[i].since)
			continue;
		add_reason(list, proofs[i].code, facts->observe && proofs[i].counts ? HELD_OBSERVE : HELD_NO, proofs[i].since);
		list->items[list->count - 1].minor = !proofs[i].counts;
	}
}

static bool any_minor(const struct reason_list *list)
{
	for (unsigned i = 0; i < list->count; i++) {
		if (list->items[i].minor && list->items[i].held == HELD_NO)
			return true;
	}
	return false;
}

static void judge_live(const struct service_facts *facts, struct verdicts *out)
{
	if (facts->exited)
		add_reason(&out->live, REASON_EXITED, facts->observe ? HELD_OBSERVE : HELD_NO, facts->exited);
	add_proofs(facts, &out->live);
	out->live_ok = !any_counts(&out->live);
	if (!out->live_ok)
		out->verdict = VERDICT_DEAD;
	else if (any_minor(&out->live))
		out->verdict = VERDICT_DEGRADED;
	else
		out->verdict = facts->covered && !facts->bare ? VERDICT_ALIVE : VERDICT_UNKNOWN;
}

static void judge_startup(const struct service_facts *facts, struct verdicts *out)
{
	if (facts->startup == STARTUP_STARTING)
		add_reason(&out->startup, REASON_STARTING, HELD_NO, facts->starting);
	if (facts->startup == STARTUP_TIMEOUT)
		add_reason(&out->startup, REASON_START_TIMEOUT, HELD_NO, facts->starting);
	out->startup_ok = facts->startup == STARTUP_DONE;
}

/* Without a segment readiness follows the port, if there is one to ask. */
static bool bare_port_is_closed(const struct service_facts *facts)
{
	return facts->bare && facts->port_known && !facts->port_accepts;
}

/* Whoever keeps the whole process from running; a tracer may let it run, so it is only shown. */
static void add_gates(const struct service_facts *facts, struct reason_list *ready)
{
	const struct {
		enum reason_code code;
		int64_t since;
	} gates[] = {{REASON_SUSPENDED, facts->suspended}, {REASON_FROZEN, facts->frozen}, {REASON_CORE_DUMP, facts->core_dump}};

	for (unsigned i = 0; i < sizeof(gates) / sizeof(gates[0]); i++) {
		if (gates[i].since && facts->now - gates[i].since >= SUSPENDED_NOT_READY_NS)
			add_reason(ready, gates[i].code, HELD_NO, gates[i].since);
	}
	if (facts->traced) {
		add_reason(ready, REASON_TRACED, HELD_NO, facts->traced);
		ready->items[ready->count - 1].minor = true;
	}
}

static const enum reason_code measure_codes[MEASURES] = {
	[MEASURE_QUEUE] = REASON_QUEUE_FULL,
	[MEASURE_MEMORY] = REASON_MEMORY_PRESSURE,
	[MEASURE_THREADS] = REASON_THREAD_LEAK,
	[MEASURE_FDS] = REASON_FD_EXHAUSTION,
};

enum reason_code verdict_measure_code(unsigned measure)
{
	return measure < MEASURES ? measure_codes[measure] : REASON_NONE;
}

/* A service that grows without end will hurt; a full queue may be a good day. */
static void add_measures(const struct service_facts *facts, struct verdicts *out)
{
	for (unsigned i = 0; i < MEASURES; i++) {
		if (!facts->measures[i].since || out->ready.count == VERDICT_REASONS)
			continue;
		add_reason(&out->ready, measure_codes[i], HELD_NO, facts->measures[i].since);
		out->ready.items[out->ready.count - 1].minor = !facts->measures[i].gates;
		if (i != MEASURE_QUEUE && out->verdict == VERDICT_ALIVE)
			out->verdict = VERDICT_DEGRADED;
	}
}

static void judge_ready(const struct service_facts *facts, struct verdicts *out)
{
	struct reason_list *ready = &out->ready;

	if (facts->exited)
		add_reason(ready, REASON_EXITED, HELD_NO, facts->exited);
	for (unsigned i = 0; i < out->live.count; i++) { /* what would kill it is not ready either; minor ones are shown */
		if (out->live.items[i].code != REASON_EXITED) {
			ready->items[ready->count] = out->live.items[i];
			ready->items[ready->count++].held = HELD_NO;
		}
	}
	for (unsigned i = 0; i < out->startup.count; i++)
		ready->items[ready->count++] = out->startup.items[i];
	if (facts->draining)
		add_reason(ready, REASON_DRAINING, HELD_NO, facts->draining);
	if (facts->maintenance)
		add_reason(ready, REASON_MAINTENANCE, HELD_NO, facts->maintenance);
	add_gates(facts, ready);
	add_measures(facts, out);
	if (bare_port_is_closed(facts) && out->startup_ok)
		add_reason(ready, REASON_STARTING, HELD_NO, facts->now);
	out->ready_ok = !any_counts(ready);
}

void verdict_judge(const struct service_facts *facts, struct verdicts *out)
{
	*out = (struct verdicts){0};
	judge_live(facts, out);
	judge_startup(facts, out);
	judge_ready(facts, out);
}
