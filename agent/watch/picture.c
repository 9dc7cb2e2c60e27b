/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/picture.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "watch/picture_parts.h"
#include "watch/service.h"

/* A service that goes back and forth is told of once in so long; so is one whose agent was replaced. */
#define AGAIN_NS (60 * NS_PER_SECOND)

static bool is_told(const struct reason_list *live)
{
	for (unsigned i = 0; i < live->count; i++) {
		const struct reason *reason = &live->items[i];

		if (!reason->minor && (reason->held == HELD_NO || reason->held == HELD_OBSERVE) &&
			reason->code != REASON_EXITED)
			return true;
	}
	return false;
}

void picture_follow(struct service *service, int64_t now)
{
	struct picture_due *picture = &service->picture;
	bool dead = is_told(&service->verdicts.live);

	if (!picture->alive && !picture->told &&
		!dead) /* the first look: what the agent before has told is told */
		picture->told = service->notebook.core.published && !service->notebook.core.live_was_ok;
	if (!dead) {
		picture->alive = picture->alive ? picture->alive : now;
		picture->told &= now - picture->alive < AGAIN_NS;
		return;
	}
	picture->alive = 0;
	if (picture->told)
		return;
	picture->told = picture->due = true;
	service->changed = true; /* tells it with this tick's snapshot */
}

/* ---- threads that do the same */

/* A wait that may be home for one may be none for another: the state knows. */
static bool is_home(const struct snapshot_thread *thread)
{
	return thread->state == THREAD_IDLE;
}

static bool is_alike(const struct picture_group *group, const struct snapshot_process *process,
	const struct snapshot_thread *thread)
{
	const struct snapshot_thread *first = group->first;

	return group->process == process && first->role == thread->role && first->state == thread->state &&
	       first->op == thread->op && is_home(first) == is_home(thread) &&
	       first->waits_for.kind == thread->waits_for.kind &&
	       first->waits_for.object == thread->waits_for.object &&
	       first->waits_for.owner == thread->waits_for.owner;
}

static struct picture_group *group_of(
	struct picture *picture, const struct snapshot_process *process, const struct snapshot_thread *thread)
{
	for (unsigned i = picture->group_count; i--;) {
		if (is_alike(&picture->groups[i], process, thread))
			return &picture->groups[i];
	}
	if (picture->group_count == PICTURE_GROUPS)
		return NULL;
	picture->groups[picture->group_count] = (struct picture_group){
		.process = process, .first = thread, .shortest = INT64_MAX, .home = is_home(thread)};
	return &picture->groups[picture->group_count++];
}

static void add_thread(
	struct picture *picture, const struct snapshot_process *process, const struct snapshot_thread *thread)
{
	struct picture_group *group = group_of(picture, process, thread);
	int64_t age = picture->snapshot->sampled - thread->since;

	if (!group) {
		picture->left_out++;
		return;
	}
	if (group->count < PICTURE_NAMES)
		group->named[group->count] = thread;
	group->count++;
	group->shortest = age < group->shortest ? age : group->shortest;
	group->longest = age > group->longest ? age : group->longest;
}

static void add_threads(struct picture *picture, bool home)
{
	const struct snapshot *snapshot = picture->snapshot;

	for (unsigned i = 0; i < snapshot->process_count; i++) {
		const struct snapshot_process *process = &snapshot->processes[i];

		for (unsigned at = 0; at < process->thread_count; at++) {
			const struct snapshot_thread *thread = &snapshot->threads[process->first_thread + at];

			if (is_home(thread) == home)
				add_thread(picture, process, thread);
		}
	}
}

static void add_unread(struct picture *picture, const struct front *front)
{
	for (unsigned i = 0; i < front->count; i++) {
		const struct front_row *row = &front->rows[i];

		if (row->way != FRONT_INBOUND || !row->unread)
			continue;
		picture->unread.connections++;
		picture->unread.bytes += row->unread;
		if (row->unread_since &&
			picture->snapshot->sampled - row->unread_since > picture->unread.oldest)
			picture->unread.oldest = picture->snapshot->sampled - row->unread_since;
	}
}

static const struct snapshot_reason *worst_reason(const struct snapshot_answer *live)
{
	for (unsigned i = 0; i < live->reason_count; i++) {
		if (live->reasons[i].held == HELD_NO || live->reasons[i].held == HELD_OBSERVE)
			return &live->reasons[i];
	}
	return NULL;
}

const char *picture_doing(const struct snapshot_thread *thread)
{
	if (thread->op)
		return thread->op;
	return thread->state == THREAD_RUNNING ? "runs" : "in no call that is seen";
}

void picture_tell(struct service *service, const struct snapshot *snapshot)
{
	struct picture *picture = service->picture.due ? calloc(1, sizeof(*picture)) : NULL;

	service->picture.due = false;
	if (!picture)
		return;
	picture->snapshot = snapshot;
	picture->reason = worst_reason(&snapshot->live);
	add_threads(picture, false);
	add_threads(picture, true);
	add_unread(picture, &service->progress.front);
	if (picture->reason && log_is_json())
		picture_say_json(picture);
	else if (picture->reason)
		picture_say_text(picture);
	free(picture);
}
