/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/waits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "judge/calls.h"
#include "lifesign/segment.h"

/*
 * Where glibc keeps the owner's tid, for all 64-bit machines: pthread_mutex_t.__data.__owner behind two ints,
 * pthread_rwlock_t.__data.__cur_writer behind six. Measured on 2.31, 2.36 and 2.41. musl's normal mutex has none.
 */
static const struct {
	const char *prefix;
	uint32_t offset;
} owners[] = {
	{"pthread_mutex_", 8},
	{"mtx_", 8},
	{"pthread_rwlock_", 24},
};

static const enum target_kind kinds[] = {
	[OBJECT_NONE] = TARGET_NONE,
	[OBJECT_FD] = TARGET_FD,
	[OBJECT_LOCK] = TARGET_LOCK,
	[OBJECT_STREAM] = TARGET_ADDRESS,
	[OBJECT_THREAD] = TARGET_THREAD,
	[OBJECT_PID] = TARGET_CHILD,
	[OBJECT_FDS] = TARGET_ADDRESS,
	[OBJECT_ADDRESS] = TARGET_ADDRESS,
};

static int32_t read_owner(const struct process_row *row, const struct slot_record *record, const char *op)
{
	struct reach_target target = tree_target(row);

	for (unsigned i = 0; i < sizeof(owners) / sizeof(owners[0]); i++) {
		int32_t owner = 0;

		if (strncmp(op, owners[i].prefix, strlen(owners[i].prefix)) != 0)
			continue;
		if (reach_memory(&target, record->object + owners[i].offset, &owner, sizeof(owner)) != sizeof(owner))
			return 0;
		return owner > 0 ? owner : 0;
	}
	return 0;
}

uint64_t waits_futex_of(const char *text)
{
	char *end;
	long number = strtol(text, &end, 10);

	return end != text && number == SYS_futex ? strtoull(end, NULL, 16) : 0;
}

static uint64_t read_futex(const struct process_row *row, const struct slot_record *record)
{
	struct reach_target target = tree_target(row);
	char name[REACH_NAME], text[256];
	ssize_t got;

	(void)snprintf(name, sizeof(name), "task/%d/syscall", record->tid);
	got = reach_file(&target, name, text, sizeof(text) - 1);
	if (got <= 0)
		return 0;
	text[got] = '\0';
	return waits_futex_of(text);
}

void waits_look(const struct process_row *row, const struct slot_record *record, struct wait_target *out)
{
	const struct call_info *info = call_info((uint32_t)(record->call & CALL_OP_MASK));

	*out = (struct wait_target){
		.kind = kinds[info->kind],
		.object = record->object,
		.timed = (record->call & CALL_TIMED) != 0,
	};
	if (info->kind != OBJECT_LOCK || !row->readable)
		return;
	out->futex = read_futex(row, record);
	if (info->class == CLASS_LOCK && row->libc == LIBC_GLIBC)
		out->owner = read_owner(row, record, info->name);
}
