/* SPDX-License-Identifier: Apache-2.0 */
#include "supervise/roster.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* /proc rounds starts down to a clock tick; for reads across one. */
#define START_SLACK_NS (20 * NS_PER_MS)

static uint64_t load(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE); /* partner: the release of whoever claimed */
}

int roster_open(struct roster *out, const struct segment *segment)
{
	*out = (struct roster){.entries = calloc(segment->process_count, sizeof(*out->entries))};
	return out->entries ? 0 : -ENOMEM;
}

void roster_close(struct roster *roster)
{
	free(roster->entries);
	*roster = (struct roster){0};
}

static void copy(struct roster *roster, const struct segment *segment)
{
	roster->count = 0;
	for (uint32_t i = 0; i < segment->process_count; i++) {
		pid_t pid = (pid_t)(load(&segment->processes[i].claim) & UINT32_MAX);

		if (pid > 0)
			roster->entries[roster->count++] = (struct roster_entry){pid, i};
	}
}

/* A claim moves the hint, and the slot that follows it counts: a table looked at in between is looked at again. */
static void refresh(struct roster *roster, const struct segment *segment)
{
	const struct segment_header *header = segment->header;
	const uint64_t now[] = {load(&header->threads_started), load(&header->threads_refused),
		__atomic_load_n(&header->process_hint, __ATOMIC_ACQUIRE)};

	if (roster->made && memcmp(now, roster->seen, sizeof(now)) == 0)
		return;
	copy(roster, segment);
	memcpy(roster->seen, now, sizeof(now));
	roster->made = true;
}

bool roster_has(struct roster *roster, const struct segment *segment, pid_t pid, uint64_t start_ns)
{
	refresh(roster, segment);
	for (uint32_t i = 0; i < roster->count; i++) {
		const struct segment_process *entry = &segment->processes[roster->entries[i].index];
		uint64_t stamp = load(&entry->stamp);

		if (roster->entries[i].pid == pid && (pid_t)(load(&entry->claim) & UINT32_MAX) == pid &&
			(stamp >= start_ns || start_ns - stamp <= START_SLACK_NS))
			return true;
	}
	return false;
}
