/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/progress_parts.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "judge/verdict.h"
#include "watch/dependencies.h"
#include "watch/history.h"
#include "watch/procfs.h"
#include "watch/progress_words.h"

/* One knock at a time, and not again at once when it was taken: it disturbs, if ever so little. */
#define KNOCK_EVERY_NS (10 * NS_PER_SECOND)
#define KNOCK_LOOK_NS (200 * NS_PER_MS)

_Static_assert((unsigned)NOTEBOOK_ALARMS >= (unsigned)ROW_COUNT, "a row has no place in the notebook");

static int64_t limit_ns(double seconds)
{
	return (int64_t)(seconds * (double)NS_PER_SECOND);
}

static void set_limits(const struct settings *settings, struct ladder_limits *out)
{
	*out = (struct ladder_limits){
		.loop_blocked = limit_ns(settings->liveness.loop_blocked_seconds),
		.loop_spinning = limit_ns(settings->liveness.loop_spinning_seconds),
		.no_progress = limit_ns(settings->liveness.no_progress_seconds),
		.pool_exhausted = limit_ns(settings->liveness.pool_exhausted_seconds),
		.idle_with_backlog = limit_ns(settings->liveness.idle_with_backlog_seconds),
	};
}

/* ---- is there reason to look? */

static bool has_told(const struct ladder *ladder)
{
	for (unsigned row = 0; row < ROW_COUNT; row++) {
		if (ladder->whole.told[row])
			return true;
	}
	return false;
}

static bool is_suspicious(const struct service *service)
{
	const struct progress *progress = &service->progress;

	return progress_somebody_stands(service) || progress_somebody_queues(service) || progress->frame.backlog_known;
}

/* What stood is to be seen to go on. */
static bool wants_step(const struct service *service)
{
	const struct progress *progress = &service->progress;

	return progress->suspected || progress->out.count || service->proofs.knot_count || has_told(&progress->ladder);
}

static void read_clocks(struct progress *progress, struct sample_clocks *out)
{
	static unsigned cpus; /* owner: the sampler */

	if (!cpus)
		cpus = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	*out = (struct sample_clocks){.boot_ns = clock_boot_ns(), .monotonic_ns = clock_mono_ns(), .cpus = cpus};
	out->steal_ns = progress->suspected ? proc_steal_ns() : progress->clocks.steal_ns;
}

/* Between the tick before and this one. */
static void fill_time(struct service *service, int64_t now)
{
	struct progress *progress = &service->progress;
	struct ladder_frame *frame = &progress->frame;
	struct sample_clocks clocks;

	read_clocks(progress, &clocks);
	frame->now = now;
	frame->passed = progress->ticked ? now - progress->ticked : 0;
	frame->voided = !progress->ticked || sample_is_void(&progress->clocks, &clocks, service_period_ns(service));
	progress->clocks = clocks;
	progress->ticked = now;
}

/* What waits in a queue that a dependency with `work: true` has. Without any there is nothing to suspect. */
static void fill_backlog(const struct service *service, struct ladder_frame *frame)
{
	frame->backlog_known = dependencies_backlog(service->common->dependencies, &frame->backlog, &frame->backlog_falls) &&
			       frame->backlog > 0;
}

/* ---- what comes of a step */

static void knock(struct service *service, int64_t now)
{
	struct progress *progress = &service->progress;
	const struct diag_listener *listener;
	int32_t process = progress->out.knock;

	if (progress->knock.state != KNOCK_NONE || process == LADDER_NOBODY || !service->common->settings.liveness.knock ||
		(progress->knocked && now - progress->knocked < KNOCK_EVERY_NS))
		return;
	listener = progress_listener_of(service, service->tree.rows[process].pid);
	if (!listener)
		return;
	knock_begin(&progress->knock, listener, service->listeners.net_ns, now);
	progress->knocked = now;
}

/* It waits as long as the suspicion does, so that it is the work that waits. */
static void follow_knock(struct service *service, int64_t now)
{
	struct progress *progress = &service->progress;

	if (progress->knock.state == KNOCK_WAITING)
		knock_look(&progress->knock, netns_get(service->listeners.net_ns, service->listeners.net_pid, KNOCK_LOOK_NS, now), now);
	if (progress->knock.state != KNOCK_NONE && (progress->knock.state != KNOCK_WAITING || !progress->out.count))
		knock_end(&progress->knock);
}

static void learn(struct service *service)
{
	struct progress *progress = &service->progress;
	enum ladder_row row = progress->out.alarm;

	if (row == ROW_NONE)
		return;
	memcpy(service->notebook.core.alarms, progress->ladder.learned.alarms, sizeof(progress->ladder.learned.alarms));
	history_note(service, EVENT_LIVE, "due", "recovered", reason_text(ladder_code(row)));
	log_event(LOG_LEVEL_WARN, "false_alarm", "%s: it went on by itself after the limit; from now on the limit is %u %% of what is configured",
		reason_text(ladder_code(row)), ladder_stretch(progress->ladder.learned.alarms[row]));
}

static void remember(struct service *service)
{
	struct progress *progress = &service->progress;

	if (!progress->ticked)
		memcpy(progress->ladder.learned.alarms, service->notebook.core.alarms, sizeof(progress->ladder.learned.alarms));
}

static void step(struct service *service, int64_t now, unsigned *left)
{
	struct progress *progress = &service->progress;

	progress->frame.starting = service->notebook.core.startup == STARTUP_STARTING;
	progress->frame.draining = service->news.drain_since || service->common->drain_since;
	set_limits(&service->common->settings, &progress->frame.limits);
	if (!progress_fill_processes(service, now) || !progress_fill_threads(service, now, left))
		return; /* no memory: nothing is claimed */
	ladder_step(&progress->ladder, &progress->frame, &progress->out);
	progress->stands = true;
	follow_knock(service, now);
	knock(service, now);
	learn(service);
}

void progress_look(struct service *service, int64_t now, unsigned *left)
{
	struct progress *progress = &service->progress;

	remember(service);
	progress->stands = false;
	fill_backlog(service, &progress->frame);
	if (!is_suspicious(service))
		progress->suspected = 0;
	else if (!progress->suspected)
		progress->suspected = now;
	fill_time(service, now);
	if (service->tree.count && service->slots.order_count && wants_step(service))
		step(service, now, left);
	if (!progress->stands)
		progress->out = (struct ladder_out){.knock = LADDER_NOBODY, .peer = LADDER_NOBODY};
	if (!progress->stands && progress->knock.state != KNOCK_NONE)
		knock_end(&progress->knock);
}

void progress_judge(struct service *service, bool observe, int64_t now)
{
	progress_words_forgive(service, now);
	if (service->progress.stands)
		ladder_tell(&service->progress.out, observe, now, &service->verdicts);
	progress_words_log(service);
}

bool progress_proof_counts(const struct service *service, unsigned knot)
{
	const struct progress *progress = &service->progress;

	return !progress->stands || ladder_proof_counts(&progress->frame, service->proofs.knot_of, (int32_t)knot);
}

void progress_end(struct progress *progress)
{
	if (progress->knock.state != KNOCK_NONE)
		knock_end(&progress->knock);
	front_end(&progress->front);
	free(progress->looks);
	free(progress->threads);
	free(progress->pool_of);
	free(progress->by_tid);
	free(progress->processes);
	free(progress->ladder.clocks);
	free(progress->ladder.marks);
	free(progress->ladder.pools);
	*progress = (struct progress){.knock = {.fd = -1}};
}
