/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's view of a segment: mapped read-only, checked once, then copied slot by slot. What is copied
 * may be anything (every process of the service can write it); indexes and strings are bounded here.
 * Threads: the sampler. Failure: a segment that does not check is refused with -EPROTO or -errno.
 */
#ifndef LS_VIEW_H
#define LS_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lifesign/segment.h"

struct view {
	const unsigned char *base;
	size_t bytes;
	uint32_t slot_count, slot_bytes;
	uint32_t process_count, process_bytes;
	size_t slot_offset, process_offset;
};

/* A coherent copy of a claimed slot (G4), or `torn` when it changed while being copied. */
struct slot_record {
	/* of the moment: one cache line */
	uint64_t claim, call, entries, object, extra, caller, container;
	/* of the thread */
	pid_t pid, tid;
	uint32_t process;
	uint64_t stamp, base, start_routine;
	char name[SEGMENT_NAME_BYTES]; /* as the service named it, else empty; always ended */
	bool torn;
};

struct process_record {
	uint64_t claim;
	pid_t pid, parent;
	uint64_t stamp;
	uint32_t libc, flags, missing;
	int64_t queue_depth;
	uint64_t witness;
};

struct segment_counters {
	uint64_t started, ended, refused;
};

int view_open(struct view *view, int fd);

/* Of a supervisor of this build, by so many slots: what its size says is believed, not the header, which the service may
 * have written over. Another size: as view_open. */
int view_open_own(struct view *view, int fd, uint32_t slots);
void view_close(struct view *view);

/* For the sweep: the slot itself, then its words one by one by acquire loads, which pair with the shim's release
 * of `call`. `index` is masked. */
static inline const struct segment_slot *view_slot_at(const struct view *view, uint32_t index)
{
	index &= view->slot_count - 1;
	return (const void *)(view->base + view->slot_offset + (size_t)index * view->slot_bytes);
}

static inline uint64_t view_slot_entries(const struct view *view, uint32_t index)
{
	return __atomic_load_n(&view_slot_at(view, index)->entries, __ATOMIC_ACQUIRE);
}

/* How many claims were ever made: whoever claims counts it just after. */
static inline uint64_t view_threads_started(const struct view *view)
{
	const struct segment_header *header = (const void *)view->base;

	return __atomic_load_n(&header->threads_started, __ATOMIC_ACQUIRE);
}

/* Updates the words of the moment of a record that view_slot made for the same claim. */
void view_slot_again(const struct view *view, uint32_t index, struct slot_record *record);

/* The name alone: a thread may give itself another one at any time. */
void view_slot_name(const struct view *view, uint32_t index, char *out);

/* False when the slot is free. */
bool view_slot(const struct view *view, uint32_t index, struct slot_record *out);
bool view_process(const struct view *view, uint32_t index, struct process_record *out);
void view_counters(const struct view *view, struct segment_counters *out);

#endif
