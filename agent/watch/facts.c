/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/facts.h"

#include <string.h>

#include "base/clock.h"
#include "watch/dependencies.h"
#include "watch/procfs.h"

#define GATES_EVERY_NS NS_PER_SECOND
#define MAIN_EVERY_NS (200 * NS_PER_MS)

/* Keeps the moment since when a fact holds. */
static void hold_since(int64_t *since, bool holds, int64_t now)
{
	if (!holds)
		*since = 0;
	else if (!*since)
		*since = now;
}

/* Of the main process's first thread, asked a few times a second; that it has ended is told by the news at once. */
static char main_state(struct service *service, int64_t now)
{
	int64_t every = MAIN_EVERY_NS + (service->common->services > 1 ? service->common->services * NS_PER_MS : 0);
	struct proc_stat stat;
	pid_t main = service->news.main_pid;

	if (service->main_read && now - service->main_read < every && service->main_seen == main)
		return service->main_state;
	service->main_read = now;
	service->main_seen = main;
	service->main_state = main && proc_thread_stat(main, main, &stat) == 0 ? stat.state : '\0';
	return service->main_state;
}

static bool some_are_stopped(const struct tree *tree)
{
	for (unsigned i = 0; i < tree->count; i++) {
		if (tree->rows[i].state == 'T')
			return true;
	}
	return false;
}

/* Where a master only looks after its workers, it is they who must run. */
static bool takers_are_stopped(const struct service *service)
{
	bool any = false;

	if (!some_are_stopped(&service->tree))
		return false;
	for (uint32_t i = 0; i < service->slots.order_count; i++) {
		const struct slot_now *slot = &service->slots.now[service->slots.order[i]];
		const struct process_row *row = &service->tree.rows[slot->row];

		if (!slot->live || row->role == PROCESS_CHILD || !(slot->role == THREAD_LISTENER || slot->accepts))
			continue;
		if (row->state != 'T')
			return false;
		any = true;
	}
	return any;
}

/* Asked each second, and at once when the process looks as if it did not run. */
static void look_at_gates(struct service *service, char state, int64_t now)
{
	struct gates *gates = &service->gates;
	bool odd = state == 'T' || state == 't' || gates->suspended || gates->frozen || gates->core_dump;

	if (!service->news.main_pid)
		*gates = (struct gates){0};
	else if (odd || now - service->gates_read >= GATES_EVERY_NS + (int64_t)service->common->services * NS_PER_MS) {
		gates_read(service->news.main_pid, gates);
		service->gates_read = now;
	}
	hold_since(&service->suspended, gates->suspended || state == 'T' || takers_are_stopped(service), now);
	hold_since(&service->frozen, gates->frozen, now);
	hold_since(&service->core_dump, gates->core_dump, now);
	hold_since(&service->traced, gates->traced, now);
}

static bool main_thread_waits(const struct service *service, char state)
{
	pid_t main = service->news.unseen_pids && service->tree.count ? service->tree.rows[0].pid : service->news.main_pid;

	for (uint32_t i = 0; i < service->slots.order_count; i++) {
		const struct slot_now *slot = &service->slots.now[service->slots.order[i]];

		if (slot->record.tid == main)
			return slot->state != THREAD_RUNNING;
	}
	return state == 'S' || state == 'D';
}

static enum startup_rule startup_rule(const struct settings *settings)
{
	static const enum startup_rule rules[] = {
		[STARTUP_PORT_ABSENT] = STARTUP_BY_LISTENER,
		[STARTUP_PORT_NONE] = STARTUP_BY_WAIT,
		[STARTUP_PORT_NUMBER] = STARTUP_BY_PORT,
	};

	return rules[settings->startup.port_mode];
}

static void judge_startup(struct service *service, int64_t now)
{
	struct notebook_core *core = &service->notebook.core;
	const struct settings *settings = &service->common->settings;
	struct startup_policy policy = {
		.rule = startup_rule(settings),
		.budget_ns = (int64_t)(settings->startup.period_seconds * settings->startup.failure_threshold * (double)NS_PER_SECOND),
	};
	struct startup_look look = {
		.age_ns = service->news.main_started ? now - service->news.main_started : 0,
		.has_listener = service->listeners.count > 0,
		.port_accepts = service->port.accepts,
		.main_waited_ns = service->main_waiting ? now - service->main_waiting : 0,
	};

	if (service->news.main_started && core->main_started != service->news.main_started) {
		core->main_started = service->news.main_started;
		core->startup = STARTUP_STARTING;
	}
	core->startup = startup_judge((enum startup_state)core->startup, &policy, &look);
}

/* Of all knots of a kind: is there one, and is there one that counts? */
static void judge_proofs(struct service *service, struct service_facts *facts, int64_t now)
{
	enum deadlock_mode mode = service->common->settings.liveness.deadlock;
	bool cycle = false, orphan = false;

	for (unsigned i = 0; i < service->proofs.knot_count && mode != DEADLOCK_OFF; i++) {
		const struct knot *knot = &service->proofs.knots[i];
		bool counts = mode == DEADLOCK_ANY || (knot->critical && progress_proof_counts(service, i));

		*(knot->length ? &cycle : &orphan) = true;
		*(knot->length ? &facts->deadlock_counts : &facts->orphaned_lock_counts) |= counts;
	}
	hold_since(&service->deadlock, cycle, now);
	hold_since(&service->orphaned_lock, orphan, now);
	facts->deadlock = service->deadlock;
	facts->orphaned_lock = service->orphaned_lock;
}

/* What was judged by, for a replay: right behind what judges it, before anything else has its say. Threads without a
 * knot say nothing. */
static void record(const struct service *service, const struct service_facts *facts)
{
	const struct proofs *proofs = &service->proofs;
	const struct progress *progress = &service->progress;
	const struct recording_tick tick = {
		.frame = progress->stands ? &progress->frame : NULL,
		.learned = &progress->ladder.learned,
		.threads = proofs->threads,
		.thread_count = proofs->knot_count ? proofs->count : 0,
		.knots = proofs->knots,
		.knot_count = proofs->knot_count,
		.facts = facts,
		.verdicts = &service->verdicts,
	};

	recorder_note(service->record, &tick);
}

void facts_judge(struct service *service, int64_t now)
{
	char state = main_state(service, now);
	struct service_facts facts = {.now = now};

	hold_since(&service->exited, service->news.main_ended, now);
	look_at_gates(service, state, now);
	hold_since(&service->main_waiting, !service->common->setup->bare && main_thread_waits(service, state), now);
	judge_startup(service, now);
	facts.bare = service->common->setup->bare;
	facts.covered = service->covered;
	facts.exited = service->exited;
	facts.suspended = service->suspended;
	facts.frozen = service->frozen;
	facts.core_dump = service->core_dump;
	facts.traced = service->traced;
	facts.draining = service->news.drain_since ? service->news.drain_since : service->common->drain_since;
	facts.maintenance = service->common->maintenance;
	facts.starting = service->notebook.core.main_started ? service->notebook.core.main_started : now;
	facts.startup = (enum startup_state)service->notebook.core.startup;
	facts.port_known = service->port.port != 0;
	facts.port_accepts = service->port.accepts;
	facts.observe = service->common->settings.observe || service->common->settings.liveness.mode == LIVENESS_OBSERVE;
	memcpy(facts.measures, service->limits.measures, sizeof(facts.measures));
	judge_proofs(service, &facts, now);
	verdict_judge(&facts, &service->verdicts);
	dependencies_judge_into(service->common->dependencies, &service->verdicts);
	progress_judge(service, facts.observe, now);
	record(service, &facts);
}
