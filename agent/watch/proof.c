/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/proof.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "judge/calls.h"
#include "lifesign/segment.h"
#include "watch/locks.h"
#include "watch/procfs.h"
#include "watch/slots.h"
#include "watch/tree.h"

/* A thread's descriptor holds its tid; what waiters sleep on is near it. */
enum { DESCRIPTOR_BYTES = 4096, LOCK_SPAN = 64 };

/* musl sleeps on the state in a thread's descriptor: tid, errno, state (pthread_impl.h, since 1.1.22). */
enum { MUSL_TID_BEFORE = 8, MUSL_JOINABLE = 2 };

enum { TICKS = 3 };

/* Signals from 32 on are the C library's own: cancellation, setuid, timers. */
#define SIGNALS_OF_LIBC (UINT64_C(7) << 31)

bool proof_task_exists(pid_t pid, pid_t tid)
{
	char path[64];
	struct stat status;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d", pid, tid);
	return stat(path, &status) == 0 || errno != ENOENT;
}

/* Of a lock that processes share the owner may be anywhere. */
static bool owner_exists(const struct process_row *row, const struct lock_facts *lock)
{
	char path[64];
	struct stat status;

	if (!lock->shared)
		return proof_task_exists(row->pid, lock->owner);
	(void)snprintf(path, sizeof(path), "/proc/%d", lock->owner);
	return stat(path, &status) == 0 || errno != ENOENT;
}

/* It did not exist when it was last asked for in this wait: whoever has the number now never had the lock. */
static bool is_namesake(const struct proof_look *look, const struct lock_facts *lock)
{
	const struct slot_proof *before = &look->slot->proof;
	struct proc_stat stat;

	return before->samples && before->orphan && before->entries == look->slot->record.entries &&
	       before->owner == lock->owner && !lock->shared &&
	       proc_thread_stat(look->row->pid, lock->owner, &stat) == 0 &&
	       stat.start_ns > (uint64_t)before->since;
}

static bool is_within(uint64_t futex, uint64_t object, uint64_t bytes)
{
	return futex >= object && futex - object < bytes;
}

/* What a thread has locked itself, another one may unlock, as people do who use a mutex as a semaphore: then it
 * waits for its process. Other kinds refuse to be locked twice, or count. */
static void take_own(const struct proof_look *look, const struct lock_facts *lock, struct slot_proof *out)
{
	bool normal = lock->kind == LOCK_NORMAL || lock->kind == LOCK_ADAPTIVE;

	if (normal && !lock->shared && !lock->robust)
		out->process = look->row->pid;
	else
		out->owner = 0;
}

static void take_lock(const struct proof_look *look, const char *op, struct slot_proof *out)
{
	struct lock_facts lock;

	if (!is_within(out->futex, out->object, LOCK_SPAN))
		return; /* the kernel says it sleeps elsewhere */
	locks_read(look->row, op, out->object, &lock);
	out->kind = lock.kind == LOCK_RWLOCK ? PROOF_RWLOCK : PROOF_MUTEX;
	out->owner = lock.owner;
	if (lock.owner && !lock.robust)
		out->orphan = (!owner_exists(look->row, &lock) || is_namesake(look, &lock)) &&
			      proof_task_exists(look->row->pid, look->row->pid);
	if (lock.owner && lock.owner == look->slot->record.tid)
		take_own(look, &lock, out);
}

static bool sample_lock(const struct proof_look *look, const struct evidence *evidence, struct slot_proof *out)
{
	uint32_t op = (uint32_t)(look->track->call & CALL_OP_MASK);

	if (!out->futex)
		return false;
	if (call_info(op)->kind == OBJECT_STREAM)
		return proof_sample_futex(look, evidence, out);
	if (strcmp(call_info(op)->name, "pthread_once") == 0)
		return proof_sample_once(look, evidence, out);
	take_lock(look, call_info(op)->name, out);
	return true;
}

/* 0: not known. glibc has the futex hold the tid, the kernel clears it. */
static pid_t read_joined(const struct proof_look *look, uint64_t futex)
{
	struct reach_target target = tree_target(look->row);
	int32_t words[3] = {0}; /* musl: tid, errno, state */

	if (look->row->libc == LIBC_GLIBC)
		return reach_memory(&target, futex, words, sizeof(words[0])) == sizeof(words[0]) ? words[0] : 0;
	if (look->row->libc == LIBC_MUSL &&
		reach_memory(&target, futex - MUSL_TID_BEFORE, words, sizeof(words)) == sizeof(words))
		return words[2] == MUSL_JOINABLE ? words[0] : 0;
	return 0;
}

static bool sample_join(const struct proof_look *look, const struct evidence *evidence, struct slot_proof *out)
{
	pid_t tid;

	(void)evidence; /* its futex is in `out` */
	if (!out->futex)
		return false;
	if (!is_within(out->futex, out->object, DESCRIPTOR_BYTES))
		return true;
	tid = read_joined(look, out->futex);
	out->kind = PROOF_THREAD;
	if (tid > 0 && proof_task_exists(look->row->pid, tid))
		out->owner = tid;
	return true;
}

/* Does the process react to signals? Their handlers may wake, or unlock, whatever its threads wait for. */
static bool has_handlers(const struct process_row *row)
{
	uint64_t caught = UINT64_MAX;

	return proc_caught_signals(row->pid, &caught) < 0 || (caught & ~SIGNALS_OF_LIBC);
}

/* Only threads of its own process can wake whoever sleeps in a private futex. */
static bool sample_parked(
	const struct proof_look *look, const struct evidence *evidence, struct slot_proof *out)
{
	unsigned command = (unsigned)evidence->arguments[1] & (unsigned)FUTEX_CMD_MASK;
	bool private = evidence->arguments[1] & FUTEX_PRIVATE_FLAG, timed = evidence->arguments[3] != 0;

	if (!out->futex)
		return false;
	if ((command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET) && private && !timed &&
		!has_handlers(look->row)) {
		out->kind = PROOF_PARKED;
		out->process = look->row->pid;
	}
	return true;
}

/* Who was woken sleeps for the mutex, and not for the condition any more. */
static bool sample_condition(
	const struct proof_look *look, const struct evidence *evidence, struct slot_proof *out)
{
	uint64_t mutex = look->slot->record.extra;

	if (!mutex || !is_within(out->futex, mutex, LOCK_SPAN))
		return !(look->track->call & CALL_TIMED) && look->awaited && sample_parked(look, evidence, out);
	out->object = mutex;
	take_lock(look, "pthread_mutex_lock", out);
	return true;
}

/* A process that handles no signal is only ever ended by one. */
static bool sample_pause(const struct proof_look *look, const struct evidence *evidence, struct slot_proof *out)
{
#ifdef SYS_pause
	if (evidence->syscall == SYS_pause && !has_handlers(look->row))
		out->kind = PROOF_PARKED;
#endif
	if (evidence->syscall == SYS_rt_sigsuspend && !has_handlers(look->row))
		out->kind = PROOF_PARKED;
	return evidence->syscall >= 0;
}

static bool (*const samplers[CLASS_COUNT])(
	const struct proof_look *, const struct evidence *, struct slot_proof *) = {
	[CLASS_NONE] = proof_sample_futex,
	[CLASS_LOCK] = sample_lock,
	[CLASS_COND] = sample_condition,
	[CLASS_JOIN] = sample_join,
	[CLASS_CHILD] = proof_sample_child,
	[CLASS_NAME] = proof_sample_futex,
	[CLASS_FD] = proof_sample_futex,
	[CLASS_FILE] = proof_sample_file_lock,
	[CLASS_SIGNAL] = sample_pause,
	[CLASS_SYSCALL] = proof_sample_futex,
};

bool proof_sample(const struct proof_look *look, struct slot_proof *out)
{
	enum call_class class = call_info((uint32_t)(look->track->call & CALL_OP_MASK))->class;
	struct evidence evidence;

	*out = (struct slot_proof){.entries = look->track->entries, .object = look->slot->record.object};
	if (!samplers[class] || !evidence_read_syscall(look->row, look->slot->record.tid, &evidence))
		return false;
	out->futex = evidence_futex(&evidence);
	return samplers[class](look, &evidence, out);
}

/* Who freezes, stops or traces it has it run once, too; a timer does from look to look. */
void proof_note_switches(struct slot_proof *proof, uint64_t switches)
{
	proof->ticks = switches == proof->switches ? 0 : proof->ticks + 1;
	proof->switches = switches;
	proof->ticked |= proof->ticks >= TICKS;
}

bool proof_agrees(const struct slot_proof *before, const struct slot_proof *now)
{
	return before->kind == now->kind && before->entries == now->entries && before->object == now->object &&
	       before->owner == now->owner && before->process == now->process && before->futex == now->futex &&
	       before->orphan == now->orphan && (!now->unseen || before->switches == now->switches);
}
