/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the tables of a segment are that this build makes for so many slots. The supervisor writes it into the header for
 * others; the agent, who belongs to the same build, knows it from here: a service may write what it likes into a header.
 * Threads: any; pure.
 */
#ifndef LS_SEGMENT_LAYOUT_H
#define LS_SEGMENT_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#include "lifesign/segment.h"

struct segment_layout {
	uint32_t process_count, slot_count;
	size_t process_offset, slot_offset, bytes;
};

/* `slots` is a power of two, at most SEGMENT_SLOTS_MAX. */
static inline struct segment_layout segment_layout(uint32_t slots)
{
	enum { SLOTS_A_PROCESS = 8, PROCESSES_MIN = 64 };
	struct segment_layout out = {.slot_count = slots, .process_offset = SEGMENT_HEADER_BYTES};

	out.process_count = slots / SLOTS_A_PROCESS < PROCESSES_MIN ? PROCESSES_MIN : slots / SLOTS_A_PROCESS;
	out.slot_offset = out.process_offset + (size_t)out.process_count * SEGMENT_PROCESS_BYTES;
	out.bytes = out.slot_offset + (size_t)slots * SEGMENT_SLOT_BYTES;
	return out;
}

#endif
