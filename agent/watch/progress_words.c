/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/progress_words.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "judge/calls.h"
#include "lifesign/segment.h"
#include "watch/dependencies.h"
#include "watch/service.h"

enum { WORDS = 256 };

static const char *level_text(enum ladder_level level)
{
	static const char *const texts[] = {[LEVEL_NONE] = "", [LEVEL_DEGRADED] = "degraded", [LEVEL_NOT_READY] = "not ready", [LEVEL_DEAD] = "dead"};

	return texts[level];
}

static const char *call_of(const struct service *service, int32_t index)
{
	const char *name = call_info((uint32_t)(service->notebook.tracks[index].call & CALL_OP_MASK))->name;

	return name ? name : "no call that the shim sees";
}

static const char *wait_text(enum wait_on on)
{
	static const char *const texts[WAIT_COUNT] = {
		[WAIT_LOCK] = "a lock",
		[WAIT_WAKE] = "a wake-up",
		[WAIT_THREAD] = "another thread's end",
		[WAIT_PIPE] = "a pipe",
		[WAIT_INSIDE] = "a socket inside the service",
		[WAIT_EVENTS] = "events",
		[WAIT_TIME] = "time to pass",
		[WAIT_SIGNAL] = "a signal",
		[WAIT_CHILD] = "a process it began",
		[WAIT_FILE] = "a file system",
		[WAIT_EXTERNAL] = "somebody outside of the service",
	};

	return texts[on];
}

/* The address at the other end of its wait; empty when that is not known. */
static const char *peer_of(const struct service *service, int32_t index)
{
	const struct progress_thread *thread = &service->progress.threads[index];
	bool asked = thread->asked && thread->entries == service->slots.now[index].record.entries;

	return asked && service->progress.looks[index].on == WAIT_EXTERNAL ? thread->answer.peer : "";
}

/* Of the dependency that it waits for, if the prober knows it: index + 1. */
static unsigned dependency_of(const struct service *service, int32_t index)
{
	return index >= 0 ? dependencies_at(service->common->dependencies, peer_of(service, index)) : 0;
}

/* "worker-3 (17) in recv, which waits for 192.0.2.7:5432 (db)" */
static size_t put_thread(const struct service *service, int32_t index, char *out, size_t bytes)
{
	const struct slot_now *slot = &service->slots.now[index];
	const char *peer = peer_of(service, index), *what = *peer ? peer : wait_text(service->progress.looks[index].on);
	unsigned dependency = dependency_of(service, index);
	size_t used = (size_t)snprintf(out, bytes, "%.15s (%d) in %s", slot->name, slot->record.tid, call_of(service, index));

	if (what && used < bytes)
		used += (size_t)snprintf(out + used, bytes - used, ", which waits for %s", what);
	if (dependency && used < bytes)
		used += (size_t)snprintf(
			out + used, bytes - used, " (%s)", dependencies_name(service->common->dependencies, dependency));
	return used;
}

static unsigned count_queue(const struct service *service)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < service->listeners.count; i++)
		sum += service->listeners.rows[i].socket.queue;
	return sum;
}

static void put_queue(const struct service *service, char *out, size_t bytes)
{
	unsigned count = count_queue(service);

	out[0] = '\0';
	if (count)
		(void)snprintf(out, bytes, "; %u connection%s wait%s to be accepted", count, count == 1 ? "" : "s", count == 1 ? "s" : "");
}

/* The thread that the finding names; else whoever's wait is outside. */
static int32_t thread_of(const struct service *service, const struct ladder_finding *finding)
{
	const struct ladder_out *found = &service->progress.out;

	if (finding->stand.held == HELD_DEPENDENCY_WAIT && found->peer != LADDER_NOBODY)
		return found->peer;
	return finding->stand.thread;
}

static const char *opening(enum ladder_row row)
{
	static const char *const texts[ROW_COUNT] = {
		[ROW_NONE] = "",
		[ROW_LOOP_BLOCKED] = "the loop is blocked",
		[ROW_LOOP_SPINNING] = "the loop uses CPU time and makes no call",
		[ROW_POOL_EXHAUSTED] = "nobody takes connections: all threads that could are away",
		[ROW_NO_PROGRESS] = "nothing in the whole service moves",
		[ROW_IDLE_WITH_BACKLOG] = "work waits where the service fetches it, and everybody is idle",
	};

	return texts[row];
}

static void put_words(const struct service *service, const struct ladder_finding *finding, int64_t now, char *out, size_t bytes)
{
	int32_t index = thread_of(service, finding);
	char who[WORDS] = "", queue[64];

	put_queue(service, queue, sizeof(queue));
	if (index >= 0)
		(void)put_thread(service, index, who, sizeof(who));
	(void)snprintf(out, bytes, "%s for %.1f s%s%.160s%s", opening(finding->row), (double)(now - finding->stand.since) / (double)NS_PER_SECOND,
		who[0] ? ": " : "", who, queue);
}

void progress_words_forgive(struct service *service, int64_t now)
{
	struct ladder_out *found = &service->progress.out;

	for (unsigned i = 0; i < found->count; i++) {
		struct ladder_finding *finding = &found->findings[i];

		finding->forgiven = finding->stand.held == HELD_DEPENDENCY_WAIT &&
				    dependencies_forgive(service->common->dependencies,
					    dependency_of(service, thread_of(service, finding)), finding->stand.since, now);
	}
}

/* ---- into the snapshot */

static void put_detail(struct snapshot_answer *answer, enum reason_code code, const char *words, unsigned dependency)
{
	for (unsigned i = 0; i < answer->reason_count; i++) {
		struct snapshot_reason *reason = &answer->reasons[i];

		if (reason->code == code && !reason->detail[0])
			(void)snprintf(reason->detail, sizeof(reason->detail), "%s", words);
		if (reason->code == code && code == REASON_DEPENDENCY_WAIT)
			reason->dependency = dependency;
	}
}

static enum reason_code fault_of(enum held_code held)
{
	if (held == HELD_DEPENDENCY_WAIT)
		return REASON_DEPENDENCY_WAIT;
	return held == HELD_IO_WAIT ? REASON_IO_WAIT : REASON_NONE;
}

static void fill_link(struct snapshot_link *link, const struct service *service, int32_t index)
{
	const struct slot_now *slot = &service->slots.now[index];
	int32_t owner = service->progress.looks[index].waits_for;

	*link = (struct snapshot_link){.tid = slot->record.tid,
		.op = call_info((uint32_t)(service->notebook.tracks[index].call & CALL_OP_MASK))->name,
		.object = slot->record.object,
		.owner = owner >= 0 ? service->slots.now[owner].record.tid : 0};
	memcpy(link->name, slot->name, sizeof(link->name));
}

/* From the thread that stands to whoever it waits for in the end. */
static void fill_chain(struct snapshot *out, const struct service *service, const struct ladder_finding *finding)
{
	struct snapshot_chain *chain = &out->chain;
	int32_t index = finding->stand.thread;

	*chain = (struct snapshot_chain){.code = ladder_code(finding->row), .also = fault_of(finding->stand.held)};
	while (index >= 0 && chain->link_count < SNAPSHOT_LINKS) {
		fill_link(&chain->links[chain->link_count++], service, index);
		chain->stuck[chain->stuck_count++] = service->slots.now[index].record.tid;
		index = service->progress.looks[index].waits_for;
		if (index == finding->stand.thread)
			break;
	}
}

void progress_words_fill(struct snapshot *out, const struct service *service)
{
	const struct ladder_out *found = &service->progress.out;
	char words[SNAPSHOT_DETAIL];

	for (unsigned i = 0; i < found->count; i++) {
		const struct ladder_finding *finding = &found->findings[i];

		put_words(service, finding, out->sampled, words, sizeof(words));
		put_detail(&out->live, ladder_code(finding->row), words, 0);
		put_detail(&out->ready, ladder_code(finding->row), words, 0);
		put_detail(&out->ready, fault_of(finding->stand.held), words, dependency_of(service, thread_of(service, finding)));
		if (out->chain.code == REASON_NONE && finding->stand.thread >= 0)
			fill_chain(out, service, finding);
	}
	if (found->count && !service->proofs.knot_count)
		out->workers.stuck += out->chain.stuck_count;
}

/* ---- into the log */

void progress_words_log(struct service *service)
{
	const struct ladder_out *found = &service->progress.out;
	uint8_t now[ROW_COUNT] = {0};
	char words[WORDS + 128];

	for (unsigned i = 0; i < found->count; i++) {
		const struct ladder_finding *finding = &found->findings[i];
		const char *held = held_text(finding->stand.held);

		if (finding->stand.level <= now[finding->row])
			continue;
		now[finding->row] = (uint8_t)finding->stand.level;
		if (finding->stand.level < LEVEL_NOT_READY || finding->stand.level <= service->told_levels[finding->row])
			continue;
		put_words(service, finding, service->progress.frame.now, words, sizeof(words));
		log_event(LOG_LEVEL_WARN, "finding", "%s (%s%s%s): %s", reason_text(ladder_code(finding->row)), level_text(finding->stand.level),
			held ? ", held: " : "", held ? held : "", words);
	}
	memcpy(service->told_levels, now, sizeof(now));
}

void progress_words_worst(const struct service *service, char *out, size_t bytes)
{
	out[0] = '\0';
	if (service->progress.out.count)
		put_words(service, &service->progress.out.findings[0], service->progress.frame.now, out, bytes);
}
