/* SPDX-License-Identifier: Apache-2.0 */
/* Threads in futex(2): says in words what it is and who holds it. */
#include <inttypes.h>
#include <stdio.h>

#include "explain/explain.h"
#include "lifesign/segment.h"
#include "watch/futex_sight.h"
#include "watch/procfs.h"

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
	struct futex_sight sight = {
		.threads = process->thread_count, .is_musl = process->row.libc == LIBC_MUSL};
	struct futex_facts facts;
	pid_t value = (pid_t)(evidence->arguments[2] & (sight.is_musl ? 0x3fffffff /* the rest is no tid */ : UINT32_MAX));

	sight.value_is_thread = value != thread->ns_tid && explain_thread_by(explain, process, value);
	futex_sight_tell(&target, evidence->arguments, &sight, &facts);
	if (facts.kind == FUTEX_STREAM && !explain_thread_by(explain, process, facts.owner))
		facts = (struct futex_facts){.kind = FUTEX_LOCK, .object = sight.address};
	thread->wait.address = facts.object;
	thread->wait.owner_word = facts.kind == FUTEX_JOIN ? "" : "held by ";
	put_object(explain, &target, &facts, &thread->wait);
	find_owner(explain, process, &facts, &thread->wait);
}
