/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/futex_sight.h"

#include <stdlib.h>
#include <string.h>

#include "watch/procfs.h"

/* tcbhead_t.self and struct pthread.tid of glibc 2.25 to 2.40 on x86-64; both have to agree before either is
 * believed. */
enum { BLOCK_SELF_AT = 16, BLOCK_TID_AT = 0x2d0, BLOCK_BYTES = BLOCK_TID_AT + 4 };

static uint32_t most_tid(void)
{
	char text[32];

	return proc_read("/proc/sys/kernel/pid_max", text, sizeof(text)) > 0 ? (uint32_t)strtoul(text, NULL, 10)
									     : 4194304;
}

/* All around it, or what can be had from it on: an object at the very start of a mapping has nothing before. */
static bool read_sight(const struct reach_target *target, struct futex_sight *sight)
{
	uint64_t address = sight->address;

	memset(sight->bytes, 0, sizeof(sight->bytes));
	if (address >= FUTEX_BEFORE &&
		reach_memory(target, address - FUTEX_BEFORE, sight->bytes, FUTEX_BYTES) == FUTEX_BYTES)
		return true;
	return reach_memory(target, address, sight->bytes + FUTEX_BEFORE, FUTEX_AFTER) == FUTEX_AFTER;
}

/* 0: it is no thread block, or not of this machine. */
static pid_t owner_by_block(const struct reach_target *target, uint64_t pointer)
{
#ifdef __x86_64__
	unsigned char block[BLOCK_BYTES];
	uint64_t self;
	uint32_t tid;

	if (reach_memory(target, pointer, block, sizeof(block)) != sizeof(block))
		return 0;
	memcpy(&self, block + BLOCK_SELF_AT, sizeof(self));
	memcpy(&tid, block + BLOCK_TID_AT, sizeof(tid));
	return self == pointer ? (pid_t)tid : 0;
#else
	(void)target; /* other machines keep it elsewhere */
	(void)pointer;
	return 0;
#endif
}

void futex_sight_tell(const struct reach_target *target, const uint64_t arguments[6], struct futex_sight *sight,
	struct futex_facts *out)
{
	*out = (struct futex_facts){0};
	sight->address = arguments[0];
	sight->op = (uint32_t)arguments[1];
	sight->value = (uint32_t)arguments[2];
	sight->most_tid = most_tid();
	if (read_sight(target, sight))
		futexes_tell(sight, out);
	if (!out->object)
		out->object = sight->address;
	if (out->kind == FUTEX_STREAM && out->pointer)
		out->owner = owner_by_block(target, out->pointer);
}
