/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/proofs.h"

#include <string.h>

#include "base/clock.h"
#include "judge/calls.h"
#include "lifesign/segment.h"

/* How long a thread stands before it is asked, how often then, and how far apart samples must agree. */
#define STANDS_NS (300 * NS_PER_MS)
#define LOOK_EVERY_NS (240 * NS_PER_MS)
#define LOOK_SETTLED_NS NS_PER_SECOND /* once samples agree */
#define LOOK_IN_VAIN_NS                                                                                        \
	(3 * NS_PER_SECOND) /* a wait that tells nothing; as the one before while somebody stands in a lock */
#define AGREE_NS (500 * NS_PER_MS)
enum { SAMPLES = 3, HINT = 64 };

/* A sample of a lock that nobody looked at for so long proves nothing any more. */
#define FRESH_NS (2 * NS_PER_SECOND)

/* Which waits are worth a look, and when. */
enum interest {
	NEVER,
	UNTIMED,   /* without a limit of time */
	FILE_LOCK, /* the same, of those calls that lock files */
	WOKEN,   /* limited or not: who is woken in a cond_wait wants its mutex back, while somebody stands in a
		    lock */
	AWAITED, /* while somebody waits for its process */
	HIDDEN   /* what it waits for is in no call's words */
};

static const uint8_t interests[CLASS_COUNT] = {
	[CLASS_NONE] = HIDDEN,
	[CLASS_LOCK] = UNTIMED,
	[CLASS_COND] = WOKEN,
	[CLASS_JOIN] = UNTIMED,
	[CLASS_CHILD] = UNTIMED,
	[CLASS_NAME] = HIDDEN,
	[CLASS_FD] = HIDDEN,
	[CLASS_FILE] = FILE_LOCK,
	[CLASS_SIGNAL] = AWAITED,
	[CLASS_SYSCALL] = HIDDEN,
};

static bool locks_files(uint32_t op)
{
	return op == CALL_fcntl || op == CALL_flock || op == CALL_lockf;
}

static struct proofs_awaited *find_awaited(struct proofs_awaited *list, unsigned count, pid_t pid)
{
	for (unsigned i = 0; i < count; i++) {
		if (list[i].pid == pid)
			return &list[i];
	}
	return NULL;
}

/* Is it worth to know of more of its threads whether they can go on? */
static bool is_awaited(struct proofs *proofs, pid_t pid)
{
	const struct proofs_awaited *found = find_awaited(proofs->awaited, proofs->awaited_count, pid);

	return found && found->waits && !found->goes_on;
}

/* Of calls on streams only, and of threads that the kernel says are asleep. */
static bool may_hide(const struct slot_now *slot, uint32_t op)
{
	const struct call_info *info = call_info(op);

	if (info->class == CLASS_NONE)
		return slot->kernel_state == 'S';
	return info->class != CLASS_FD || info->kind == OBJECT_STREAM;
}

static bool is_interesting(struct proofs *proofs, const struct slot_now *slot, uint64_t call)
{
	uint32_t op = (uint32_t)(call & CALL_OP_MASK);
	bool timed = call & CALL_TIMED;

	switch (interests[call_info(op)->class]) {
	case UNTIMED: return !timed;
	case FILE_LOCK: return !timed && locks_files(op);
	case WOKEN:
		return (slot->record.extra && proofs->somebody) ||
		       (!timed && is_awaited(proofs, slot->record.pid));
	case AWAITED: return !timed && is_awaited(proofs, slot->record.pid);
	case HIDDEN: return !timed && may_hide(slot, op);
	default: return false;
	}
}

static bool is_candidate(
	struct proofs *proofs, const struct slot_now *slot, const struct notebook_track *track, int64_t now)
{
	return !slot->moved && !slot->record.torn && track->since <= now - STANDS_NS &&
	       is_interesting(proofs, slot, track->call);
}

/* ---- samples */

static int64_t look_every(const struct proofs *proofs, const struct slot_proof *proof)
{
	if (proof->vain)
		return proofs->in_lock ? LOOK_SETTLED_NS : LOOK_IN_VAIN_NS;
	return proof->samples > 2 * SAMPLES ? LOOK_SETTLED_NS : LOOK_EVERY_NS;
}

static void look_at(struct slot_now *slot, const struct proof_look *look)
{
	struct slot_proof sample;

	slot->proof.looked = look->now;
	if (!proof_sample(look, &sample)) {
		slot->proof.vain = slot->proof.samples == 0;
		return;
	}
	if (!slot->proof.samples || !proof_agrees(&slot->proof, &sample)) {
		sample.since = look->now;
		sample.looked = look->now;
		slot->proof = sample;
	}
	slot->proof.vain = sample.kind == PROOF_NOTHING;
	proof_note_switches(&slot->proof, sample.switches);
	slot->proof.samples++;
	slot->proof.sampled = look->now;
}

bool proofs_is_proven(const struct slot_now *slot, const struct notebook_track *track, int64_t now)
{
	const struct slot_proof *proof = &slot->proof;

	return proof->samples >= SAMPLES && proof->entries == track->entries && !slot->moved &&
	       proof->sampled - proof->since >= AGREE_NS && now - proof->sampled <= FRESH_NS &&
	       (!proof->alarm || proof->ticked);
}

/* ---- is it worth to draw the graph? */

/* Whoever is in a knot waits for somebody who waits, too, or for nobody who lives: seldom, and cheap to see. */
struct hint {
	pid_t waiters[HINT], owners[HINT];
	pid_t pids[HINT], processes[HINT];
	unsigned count;
	bool orphan, in_lock;
};

/* Does it wait for another one? */
static bool waits_for_somebody(const struct slot_proof *proof)
{
	return proof->samples && proof->kind != PROOF_PARKED && proof->kind != PROOF_NOTHING;
}

static void add_hint(struct hint *hint, const struct slot_now *slot)
{
	if (!waits_for_somebody(&slot->proof))
		return;
	if (hint->count < HINT) {
		hint->waiters[hint->count] = slot->record.tid;
		hint->owners[hint->count] = slot->proof.owner;
		hint->pids[hint->count] = slot->record.pid;
		hint->processes[hint->count] = slot->proof.process;
	}
	hint->count++;
	hint->orphan |= slot->proof.orphan;
	hint->in_lock |= slot->proof.kind != PROOF_THREAD && slot->proof.kind != PROOF_CHILD;
}

static bool may_be_knotted(struct proofs *proofs, const struct hint *hint)
{
	if (hint->orphan || hint->count > HINT)
		return true;
	for (unsigned i = 0; i < hint->count; i++) {
		bool awaited = hint->processes[i] && is_awaited(proofs, hint->processes[i]);

		for (unsigned j = 0; j < hint->count; j++) {
			if (hint->owners[i] == hint->waiters[j] ||
				(awaited && hint->processes[i] == hint->pids[j]))
				return true;
		}
	}
	return false;
}

/* What is gathered in one pass over all threads. */
struct pass {
	struct hint hint;
	struct proofs_awaited awaited[PROOFS_AWAITED]; /* for the next pass */
	unsigned awaited_count;
};

static void await(struct pass *pass, const struct slot_proof *proof)
{
	if (!waits_for_somebody(proof) || !proof->process || pass->awaited_count == PROOFS_AWAITED ||
		find_awaited(pass->awaited, pass->awaited_count, proof->process))
		return;
	pass->awaited[pass->awaited_count++] = (struct proofs_awaited){.pid = proof->process};
}

/* By its call alone. Who hides what he waits for may be stuck. */
static bool plainly_goes_on(const struct slot_now *slot, uint64_t call)
{
	uint32_t op = (uint32_t)(call & CALL_OP_MASK);
	enum interest interest = interests[call_info(op)->class];

	return slot->moved || (call & CALL_TIMED) || interest == NEVER ||
	       (interest == FILE_LOCK && !locks_files(op));
}

static void note_who_goes_on(struct proofs *proofs, const struct slots *slots)
{
	for (uint32_t i = 0; i < slots->order_count && proofs->awaited_count; i++) {
		const struct slot_now *slot = &slots->now[slots->order[i]];
		struct proofs_awaited *found =
			find_awaited(proofs->awaited, proofs->awaited_count, slot->record.pid);

		if (!found || !slot->live)
			continue;
		found->goes_on |= plainly_goes_on(slot, slots->notebook->tracks[slots->order[i]].call);
		found->waits |= waits_for_somebody(&slot->proof);
	}
}

static void look_at_all(struct proofs *proofs, struct slots *slots, const struct tree *tree, int64_t now,
	unsigned *left, struct pass *pass)
{
	for (uint32_t i = 0; i < slots->order_count; i++) {
		const uint32_t index = slots->order[i];
		struct slot_now *slot = &slots->now[index];
		const struct notebook_track *track = &slots->notebook->tracks[index];

		if (!slot->live || !is_candidate(proofs, slot, track, now)) {
			slot->proof.samples = 0;
			slot->proof.vain = false;
			continue;
		}
		if (*left && now - slot->proof.looked >= look_every(proofs, &slot->proof) &&
			tree->rows[slot->row].readable) {
			(*left)--;
			look_at(slot, &(struct proof_look){slots, tree, &tree->rows[slot->row], slot, track,
					      now, is_awaited(proofs, slot->record.pid)});
		}
		await(pass, &slot->proof);
		if (proofs_is_proven(slot, track, now))
			add_hint(&pass->hint, slot);
	}
}

void proofs_look(
	struct proofs *proofs, struct slots *slots, const struct tree *tree, int64_t now, unsigned *left)
{
	struct pass pass = {.awaited_count = 0};

	look_at_all(proofs, slots, tree, now, left, &pass);
	memcpy(proofs->awaited, pass.awaited, sizeof(proofs->awaited));
	proofs->awaited_count = pass.awaited_count;
	note_who_goes_on(proofs, slots);
	proofs->knot_count = 0;
	proofs->somebody = pass.hint.count > 0;
	proofs->in_lock = pass.hint.in_lock;
	if (may_be_knotted(proofs, &pass.hint))
		proofs_find_knots(proofs, slots, tree, now);
}
