/* SPDX-License-Identifier: Apache-2.0 */
/* The picture as lines for people: at most so many, and a last one that says how much is missing. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "watch/picture_parts.h"

enum { LINES = 200, LINE = 512 };

static double seconds(int64_t ns)
{
	return (double)ns / (double)NS_PER_SECOND;
}

static const char *detail_of(const struct picture *picture)
{
	const struct snapshot_chain *chain = &picture->snapshot->chain;

	return chain->code == picture->reason->code && chain->words[0] ? chain->words : picture->reason->detail;
}

/* "worker-1 (17), worker-2 (18) and 12 more" */
static void put_names(const struct picture_group *group, char *out, size_t bytes)
{
	size_t used = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < group->count && i < PICTURE_NAMES && used < bytes; i++)
		used += (size_t)snprintf(out + used, bytes - used, "%s%.15s (%d)", i ? ", " : "",
			group->named[i]->name, group->named[i]->tid);
	if (group->count > PICTURE_NAMES && used < bytes)
		(void)snprintf(out + used, bytes - used, " and %u more", group->count - PICTURE_NAMES);
}

/* ", waits for lock 0x5580 held by 18" */
static void put_wait(const struct wait_target *wait, char *out, size_t bytes)
{
	static const char *const kinds[] = {[TARGET_LOCK] = "lock",
		[TARGET_FD] = "descriptor",
		[TARGET_THREAD] = "the end of thread",
		[TARGET_CHILD] = "process",
		[TARGET_ADDRESS] = "what is at"};
	size_t used;

	out[0] = '\0';
	if (wait->kind == TARGET_NONE)
		return;
	used = (size_t)snprintf(out, bytes,
		wait->kind == TARGET_LOCK || wait->kind == TARGET_ADDRESS ? ", waits for %s 0x%" PRIx64
									  : ", waits for %s %" PRId64,
		kinds[wait->kind], wait->object);
	if (wait->owner && wait->kind == TARGET_LOCK && used < bytes)
		(void)snprintf(out + used, bytes - used, " held by %d", wait->owner);
}

static void say_group(const struct picture_group *group)
{
	const struct snapshot_thread *first = group->first;
	char names[LINE / 2], wait[128], times[64];

	put_names(group, names, sizeof(names));
	put_wait(&first->waits_for, wait, sizeof(wait));
	(void)snprintf(times, sizeof(times), "%.1f s", seconds(group->longest));
	if (seconds(group->longest - group->shortest) >= 0.1)
		(void)snprintf(times, sizeof(times), "%.1f to %.1f s", seconds(group->shortest),
			seconds(group->longest));
	log_event(LOG_LEVEL_WARN, "picture", "  %s of process %d: %s, %s%s for %s%s", names,
		group->process->pid, thread_role_text(first->role), picture_doing(first),
		group->home ? " (at home)" : "", times, wait);
}

static unsigned say_processes(const struct snapshot *snapshot, unsigned left)
{
	for (unsigned i = 0; i < snapshot->process_count && left; i++, left--) {
		const struct snapshot_process *process = &snapshot->processes[i];

		log_event(LOG_LEVEL_WARN, "picture", "  process %d %s (%s, coverage %s): %u threads",
			process->pid, process->exe, process_role_text(process->role),
			coverage_text(process->coverage), process->thread_count);
	}
	return left;
}

static unsigned say_listeners(const struct snapshot *snapshot, unsigned left)
{
	for (unsigned i = 0; i < snapshot->listener_count && left; i++, left--) {
		const struct snapshot_listener *listener = &snapshot->listeners[i];

		log_event(LOG_LEVEL_WARN, "picture",
			"  listener %s of process %d: %u connections wait, at most %u may", listener->address,
			listener->pid, listener->queue, listener->backlog);
	}
	return left;
}

void picture_say_text(const struct picture *picture)
{
	const struct snapshot *snapshot = picture->snapshot;
	unsigned left = LINES - 4, said = 0;

	log_event(LOG_LEVEL_WARN, "picture",
		"%s is found dead (%s); this is all that is seen of it:", snapshot->service,
		reason_text(picture->reason->code));
	if (detail_of(picture)[0])
		log_event(LOG_LEVEL_WARN, "picture", "  %s", detail_of(picture));
	left = say_listeners(snapshot, left);
	if (picture->unread.connections)
		log_event(LOG_LEVEL_WARN, "picture",
			"  %u connections have %" PRIu64 " bytes that nobody reads, for %.1f s",
			picture->unread.connections, picture->unread.bytes, seconds(picture->unread.oldest));
	left = say_processes(snapshot, left);
	for (; said < picture->group_count && left; said++, left--)
		say_group(&picture->groups[said]);
	if (said < picture->group_count || picture->left_out)
		log_event(LOG_LEVEL_WARN, "picture", "  and more, which is left out");
}
