/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/waits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "judge/calls.h"
#include "lifesign/segment.h"
#include "watch/locks.h"

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
	struct lock_facts lock;

	*out = (struct wait_target){
		.kind = kinds[info->kind],
		.object = record->object,
		.timed = (record->call & CALL_TIMED) != 0,
	};
	if (info->kind != OBJECT_LOCK || !row->readable)
		return;
	out->futex = read_futex(row, record);
	if (info->class != CLASS_LOCK)
		return;
	locks_read(row, info->name, record->object, &lock);
	out->owner = lock.owner;
}
