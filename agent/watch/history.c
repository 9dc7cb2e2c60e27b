/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/history.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "watch/chain.h"
#include "watch/dependencies.h"
#include "watch/progress_words.h"
#include "watch/termination.h"

/* One row an answer: how its two states are called, and where the notebook keeps the last one. */
struct answer {
	enum event_what what;
	const char *probe;
	const char *good, *bad;
};

static const struct answer answers[] = {
	{EVENT_LIVE, "live", "live", "dead"},
	{EVENT_READY, "ready", "ready", "not_ready"},
	{EVENT_STARTUP, "startup", "started", "starting"},
};

static void keep_event(struct service *service, enum event_what what, const char *from, const char *to, uint32_t reason,
	const char *subject)
{
	struct notebook_event event = {.wall_ns = clock_wall_ns(), .what = what, .reason = reason};

	(void)snprintf(event.from, sizeof(event.from), "%s", from);
	(void)snprintf(event.to, sizeof(event.to), "%s", to);
	(void)snprintf(event.subject, sizeof(event.subject), "%s", subject);
	notebook_add_event(&service->notebook, &event);
}

void history_note(struct service *service, enum event_what what, const char *from, const char *to, const char *subject)
{
	keep_event(service, what, from, to, REASON_NONE, subject);
}

void history_dependency(struct service *service, const struct dependency_change *change)
{
	keep_event(service, EVENT_DEPENDENCY, change->from, change->to, change->error, change->name);
}

static enum reason_code first_reason(const struct reason_list *list, unsigned *dependency)
{
	for (unsigned i = 0; i < list->count; i++) {
		if (list->items[i].held == HELD_NO && !list->items[i].minor) {
			*dependency = list->items[i].dependency;
			return list->items[i].code;
		}
	}
	return REASON_NONE;
}

static void tell(const struct answer *answer, bool ok, enum reason_code reason)
{
	struct log_line line = {
		.level = ok ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
		.event = "transition",
		.probe = answer->probe,
		.from = ok ? answer->bad : answer->good,
		.to = ok ? answer->good : answer->bad,
		.reason = reason == REASON_NONE ? NULL : reason_text(reason),
	};

	log_emit(&line);
}

/* The agent of `run` lives in the container of its service. Of an end the exit status tells, and it may be a good one.
 * The names of its locks may be known a moment later. */
static void leave_note(struct service *service)
{
	enum reason_code reason = service->note_due;
	char words[768];

	if (reason == REASON_NONE || !naming_is_settled(&service->naming, clock_boot_ns()))
		return;
	service->note_due = REASON_NONE;
	if (service->common->setup->many || reason == REASON_EXITED)
		return;
	if (reason == REASON_DEADLOCK || reason == REASON_ORPHANED_LOCK)
		chain_words(service, words, sizeof(words));
	else
		progress_words_worst(service, words, sizeof(words));
	termination_note(service->name, reason_text(reason), words);
}

static bool follow_one(struct service *service, unsigned index, uint32_t *was, bool ok, const struct reason_list *reasons)
{
	const struct answer *answer = &answers[index];
	unsigned dependency = 0;
	enum reason_code reason = ok ? REASON_NONE : first_reason(reasons, &dependency);

	if (*was == (uint32_t)ok)
		return false;
	*was = ok;
	service->notebook.core.transitions[index]++;
	keep_event(service, answer->what, ok ? answer->bad : answer->good, ok ? answer->good : answer->bad, reason,
		dependencies_name(service->common->dependencies, dependency));
	if (reason == REASON_EXITED && service->news.drain_since)
		return true; /* an end that was asked for is no news */
	tell(answer, ok, reason);
	if (answer->what == EVENT_LIVE && !ok)
		service->note_due = reason;
	return true;
}

bool history_follow(struct service *service)
{
	struct notebook_core *core = &service->notebook.core;
	const struct verdicts *now = &service->verdicts;
	bool changed = core->verdict_was != (uint32_t)now->verdict;

	if (!core->published) { /* before anything was said: live, not ready, not started */
		core->published = core->live_was_ok = 1;
		changed = true;
	}
	core->verdict_was = (uint32_t)now->verdict;
	changed |= follow_one(service, 0, &core->live_was_ok, now->live_ok, &now->live);
	changed |= follow_one(service, 2, &core->startup_was_ok, now->startup_ok, &now->startup);
	changed |= follow_one(service, 1, &core->ready_was_ok, now->ready_ok, &now->ready);
	leave_note(service);
	return changed;
}
