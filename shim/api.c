/* SPDX-License-Identifier: Apache-2.0 */
/* What lifesign.h calls when the shim is there. */
#include "api.h"

#include <stddef.h>
#include <stdint.h>

#include <lifesign/calls.h>

#include "slot.h"

#define NUMBER_OF(number, symbol, ...) CALL_##symbol = number,
enum { LS_API_CALLS(NUMBER_OF) };

#define NEVER_UNWOUND UINT64_MAX /* no frame is above it: work spans functions */

void lifesign_shim_beat(void)
{
	struct segment_slot *slot = slot_mine();

	if (slot)
		slot->entries++;
}

void lifesign_shim_work_begin(const char *what)
{
	struct segment_slot *slot = slot_mine();

	if (slot)
		slot_begin(slot, CALL_lifesign_shim_work_begin, (uint64_t)what, 0,
			(uint64_t)__builtin_return_address(0), NEVER_UNWOUND);
}

void lifesign_shim_work_end(void)
{
	struct segment_slot *slot = slot_mine();

	if (slot)
		slot_end(slot);
}

void lifesign_shim_queue_depth(long depth)
{
	struct segment_slot *slot = slot_mine(); /* with a slot the process has an entry */

	if (!slot)
		return;
	struct segment_process *process = &shim_segment.processes[shim_own.index];

	__atomic_store_n(&process->queue_depth, depth, __ATOMIC_RELAXED);
	__atomic_or_fetch(&process->flags, PROCESS_QUEUE_DEPTH, __ATOMIC_RELEASE); /* after the depth */
}
