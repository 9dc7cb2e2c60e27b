/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the segment of include/lifesign/segment.h: a memfd sealed against any change of its size.
 * Threads: the supervisor. Failure: -errno, nothing left. Memory: the mapping, until segment_drop.
 */
#ifndef LS_SUPERVISE_SEGMENT_H
#define LS_SUPERVISE_SEGMENT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lifesign/segment.h"

struct segment {
	int fd; /* -1: there is none */
	size_t bytes;
	struct segment_header *header;
	/* what we know; what the header says may have been written by the service since */
	struct segment_process *processes;
	struct segment_slot *slots;
	uint32_t process_count, slot_count;
	uint64_t created;
	pid_t supervisor;
};

/* `slots` a power of two within SEGMENT_SLOTS_MIN … SEGMENT_SLOTS_MAX. */
int segment_make(struct segment *out, uint32_t slots);

/* A segment that another supervisor made, of so many slots: `fd` is its memory, ours on success. -EPROTO: it is none,
 * or another one. */
int segment_adopt(struct segment *out, int fd, uint32_t slots, uint64_t created);

void segment_drop(struct segment *segment);

/* Only the mapping: in a child that shall not write there. */
void segment_unmap(struct segment *segment);

/* Sizes, counts and offsets as they were made: whoever joins or starts now finds a segment, whatever was written there. */
void segment_keep_geometry(struct segment *segment);

/* After a suspend CLOCK_BOOTTIME is further away from CLOCK_MONOTONIC. */
void segment_keep_clock(struct segment *segment, int64_t boot_minus_mono);

#endif
