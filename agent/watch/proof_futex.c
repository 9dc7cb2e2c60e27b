/* SPDX-License-Identifier: Apache-2.0 */
/* Waits that no call tells of: the C library's own locks, streams, and who runs what runs once. */
#include "judge/calls.h"
#include "lifesign/segment.h"
#include "watch/futex_sight.h"
#include "watch/proof.h"
#include "watch/slots.h"
#include "watch/tree.h"

/* How much of a stack is searched for the frame of pthread_once, and the most that a stream takes. */
enum { STACK_BYTES = 4 * REACH_BYTES, STREAM_BYTES = 512 };

/* Of the word of a pthread_once: being run. glibc adds the count of forks above; musl says 3 when somebody
 * waits. */
enum { ONCE_RUNS = 1 };

/* Of the lock word of a stream in musl: the owner's tid below. */
enum { TID_MASK = 0x3fffffff };

#define CONTAINED(op, object) ((uint64_t)(op) << 48 | ((object)&UINT64_C(0xffffffffffff)))

/* ---- pthread_once */

static bool once_runs(const struct process_row *row, uint64_t once)
{
	struct reach_target target = tree_target(row);
	uint32_t word = 0;

	return reach_memory(&target, once, &word, sizeof(word)) == sizeof(word) && (word & ONCE_RUNS);
}

/* pthread_once keeps its argument in its frame, for the case of a cancellation: who runs one has it on his
 * stack. */
static bool is_on_stack(const struct process_row *row, uint64_t from, uint64_t word)
{
	static uint64_t stack[REACH_BYTES / sizeof(uint64_t)]; /* owner: the sampler */
	struct reach_target target = tree_target(row);

	from &= ~UINT64_C(7);
	for (unsigned at = 0; at < STACK_BYTES; at += REACH_BYTES) {
		ssize_t got = reach_memory(&target, from + at, stack, sizeof(stack));

		for (ssize_t i = 0; i < got / (ssize_t)sizeof(stack[0]); i++) {
			if (stack[i] == word)
				return true;
		}
		if (got < (ssize_t)sizeof(stack))
			break;
	}
	return false;
}

/* The shim notes it; that it is true shows on its stack. */
static bool runs_once(const struct proof_look *look, const struct slot_now *other, uint64_t once)
{
	struct evidence evidence;

	return other->live && other->row == look->slot->row && (other->record.call & CALL_INSIDE) &&
	       other->record.container == CONTAINED(CALL_pthread_once, once) &&
	       evidence_read_syscall(look->row, other->record.tid, &evidence) && evidence.stack &&
	       is_on_stack(look->row, evidence.stack, once);
}

bool proof_sample_once(const struct proof_look *look, const struct evidence *evidence, struct slot_proof *out)
{
	(void)evidence; /* its futex is in `out` */
	if (out->futex != out->object)
		return false;
	out->kind = PROOF_ONCE;
	if (!once_runs(look->row, out->object))
		return true;
	for (uint32_t i = 0; i < look->slots->order_count && !out->owner; i++) {
		const struct slot_now *other = &look->slots->now[look->slots->order[i]];

		if (runs_once(look, other, out->object))
			out->owner = other->record.tid;
	}
	return true;
}

/* ---- by the memory around the futex */

static const enum proof_kind kinds[] = {
	[FUTEX_MUTEX] = PROOF_MUTEX,
	[FUTEX_WRITER] = PROOF_RWLOCK,
	[FUTEX_JOIN] = PROOF_THREAD,
	[FUTEX_STREAM] = PROOF_STREAM,
	[FUTEX_LOCK] = PROOF_NOTHING, /* the last one */
};

static void tell(const struct proof_look *look, const struct evidence *evidence, struct slot_proof *out)
{
	struct reach_target target = tree_target(look->row);
	struct futex_sight sight = {
		.threads = look->row->thread_count, .is_musl = look->row->libc == LIBC_MUSL};
	struct futex_facts facts;
	pid_t value = (pid_t)(evidence->arguments[2] & (sight.is_musl ? TID_MASK : UINT32_MAX));

	sight.value_is_thread =
		value > 0 && value != look->slot->record.tid && proof_task_exists(look->row->pid, value);
	futex_sight_tell(&target, evidence->arguments, &sight, &facts);
	if (facts.kind >= sizeof(kinds) / sizeof(kinds[0]) || !facts.owner)
		return;
	out->kind = kinds[facts.kind];
	out->object = facts.object;
	out->owner = facts.owner;
}

/* musl has the owner's tid in the lock word, which is in the stream itself. */
static void tell_musl_stream(const struct proof_look *look, struct slot_proof *out)
{
	struct reach_target target = tree_target(look->row);
	uint32_t word = 0;

	if (out->futex < out->object || out->futex - out->object >= STREAM_BYTES ||
		reach_memory(&target, out->futex, &word, sizeof(word)) != sizeof(word))
		return;
	out->kind = PROOF_STREAM;
	out->owner = (pid_t)(word & TID_MASK);
}

bool proof_sample_futex(const struct proof_look *look, const struct evidence *evidence, struct slot_proof *out)
{
	const struct call_info *info = call_info((uint32_t)(look->track->call & CALL_OP_MASK));
	struct evidence more;

	if (!out->futex)
		return false;
	if (info->kind == OBJECT_STREAM && look->row->libc == LIBC_MUSL)
		tell_musl_stream(look, out);
	else if (evidence->arguments[3] == 0) /* for a limited time else; for a requeue it is none */
		tell(look, evidence, out);
	if (out->owner == look->slot->record.tid || !proof_task_exists(look->row->pid, out->owner))
		out->owner = 0; /* none of these is waited for by who has it, nor outlives him */
	if (!out->owner)
		out->kind = PROOF_NOTHING;
	out->unseen = info->class == CLASS_NONE;
	if (out->unseen && out->owner && evidence_read(look->row, look->slot->record.tid, &more))
		out->switches = more.switches;
	return true;
}
