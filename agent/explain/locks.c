/* SPDX-License-Identifier: Apache-2.0 */
/* Threads in futex(2): reads the memory around it, and says in words what it is and who holds it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explain/explain.h"
#include "lifesign/segment.h"
#include "watch/futexes.h"
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

static const char *const words[] = {[FUTEX_UNKNOWN] = "futex",
	[FUTEX_MUTEX] = "mutex",
	[FUTEX_WRITER] = "rwlock",
	[FUTEX_READERS] = "rwlock",
	[FUTEX_CONDITION] = "condition variable",
	[FUTEX_SEMAPHORE] = "what looks like a semaphore",
	[FUTEX_JOIN] = "the end of",
	[FUTEX_STREAM] = "the lock of a stdio stream",
	[FUTEX_LOCK] = "a lock that names no owner"};

static void put_object(struct explain *explain, const struct reach_target *target,
	const struct futex_facts *facts, struct explain_wait *wait)
{
	char symbol[160] = "";
	const char *kind = words[facts->kind];

	if (facts->kind == FUTEX_JOIN) {
		(void)snprintf(wait->object, sizeof(wait->object), "%s", kind);
		return;
	}
	if (facts->robust)
		kind = "robust mutex";
	else if (facts->inherits)
		kind = "priority-inheriting mutex";
	(void)symbols_name(&explain->symbols, target, facts->object, symbol, sizeof(symbol)); /* then without */
	if (facts->kind == FUTEX_READERS)
		(void)snprintf(wait->object, sizeof(wait->object),
			"%s 0x%" PRIx64 " (%s), which %u reader%s hold%s", kind, facts->object, symbol,
			facts->count, facts->count == 1 ? "" : "s", facts->count == 1 ? "s" : "");
	else
		(void)snprintf(wait->object, sizeof(wait->object), "%s 0x%" PRIx64 "%s%s%s", kind,
			facts->object, symbol[0] ? " (" : "", symbol, symbol[0] ? ")" : "");
}

/* A lock between processes may be held by one that we have not met. */
static bool lives_elsewhere(
	struct explain *explain, const struct explain_process *process, pid_t owner, struct explain_wait *wait)
{
	pid_t pid = process->row.ns_pid == process->row.pid ? explain_pid_of(owner) : 0;
	struct explain_process *other = pid ? explain_add(explain, pid) : NULL;

	if (process->row.ns_pid != process->row.pid)
		return true; /* numbers of a namespace that is not ours: cannot tell */
	if (other && explain_thread_by(explain, other, owner)) {
		wait->owner = owner;
		wait->edge = EDGE_EXACT;
	}
	return pid != 0;
}

/* A thread that was started after we had listed them is none that has ended. */
static bool lives_unlisted(struct explain *explain, const struct explain_process *process, pid_t owner)
{
	static pid_t tids[EXPLAIN_THREADS]; /* owner: main */
	pid_t pid = process->row.pid;
	int count = proc_tasks(pid, tids, EXPLAIN_THREADS);
	struct proc_ids ids;

	for (int i = 0; i < count; i++) {
		if (process->row.ns_pid == pid ? tids[i] == owner
					       : proc_ids_read(tids[i], &ids) || ids.ns_pid == owner)
			return true;
	}
	return count <= 0 || explain->threads_cut;
}

static void find_owner(struct explain *explain, const struct explain_process *process,
	const struct futex_facts *facts, struct explain_wait *wait)
{
	const struct explain_thread *owner = explain_thread_by(explain, process, facts->owner);

	if (owner) {
		wait->owner = owner->tid;
		wait->edge = EDGE_EXACT;
	} else if (facts->owner && facts->kind != FUTEX_JOIN &&
		   !lives_unlisted(explain, process, facts->owner)) {
		if (facts->shared && lives_elsewhere(explain, process, facts->owner, wait))
			return;
		wait->orphan = !facts->robust && !facts->inherits;
		wait->owner = facts->owner;
	}
}

/* Which libc it has is not known of a static program: then glibc's layouts have to agree in every word all the
 * same. */
void explain_futex(
	struct explain *explain, const struct explain_process *process, struct explain_thread *thread)
{
	const struct evidence *evidence = &thread->first;
	struct reach_target target = tree_target(&process->row);
	struct futex_sight sight = {.address = evidence->arguments[0],
		.op = (uint32_t)evidence->arguments[1],
		.value = (uint32_t)evidence->arguments[2],
		.threads = process->thread_count,
		.most_tid = most_tid(),
		.is_musl = process->row.libc == LIBC_MUSL};
	struct futex_facts facts = {.object = sight.address};

	sight.value_is_thread = sight.value != (uint32_t)thread->ns_tid &&
				explain_thread_by(explain, process, (pid_t)sight.value);
	if (read_sight(&target, &sight))
		futexes_tell(&sight, &facts);
	if (!facts.object)
		facts.object = sight.address;
	if (facts.kind == FUTEX_STREAM) {
		facts.owner = owner_by_block(&target, facts.pointer);
		if (!explain_thread_by(explain, process, facts.owner))
			facts = (struct futex_facts){.kind = FUTEX_LOCK, .object = sight.address};
	}
	thread->wait.address = facts.object;
	thread->wait.owner_word = facts.kind == FUTEX_JOIN ? "" : "held by ";
	put_object(explain, &target, &facts, &thread->wait);
	find_owner(explain, process, &facts, &thread->wait);
}
