/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread's wait, as its call, the kernel and the service's memory tell of it together at one moment.
 * Who waits for whom for ever is found from many of these: watch/proofs.h.
 * Threads: the sampler. Failure: what cannot be read makes no sample, or one without an owner.
 */
#ifndef LS_PROOF_H
#define LS_PROOF_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "watch/evidence.h"

enum proof_kind {
	PROOF_NOTHING, /* nobody is known to have what it waits for */
	PROOF_MUTEX,
	PROOF_RWLOCK,
	PROOF_ONCE,
	PROOF_STREAM,
	PROOF_THREAD,    /* its end */
	PROOF_CHILD,     /* … of a process */
	PROOF_FILE_LOCK, /* `object` is the descriptor */
	PROOF_PARKED /* rests until its own process wakes it, or for ever: it holds up nobody else's proof */
};

struct slot_proof {
	enum proof_kind kind;
	uint64_t entries, object, futex;
	pid_t owner;   /* the only thread that can end it, 0 none */
	pid_t process; /* any thread of this one can end it, 0 none */
	bool orphan;   /* the owner does not exist, and nobody will be told */
	bool alarm; /* a timer's handler may cut it short: counts only when it was seen to tick and did not */
	bool ticked;
	unsigned ticks;                 /* looks in a row at which it had run since the one before */
	bool unseen;                    /* in no wrapped call: only that it never ran shows that it stayed */
	bool vain;                      /* the last look found nothing */
	uint64_t switches;              /* of the thread at the last look, for the two above; else 0 */
	unsigned samples;               /* that agree; 0: none */
	int64_t since, sampled, looked; /* CLOCK_BOOTTIME ns: first and last that agree; last try */
};

struct slots;
struct slot_now;
struct tree;
struct process_row;
struct notebook_track;

/* Of whom, and when. */
struct proof_look {
	const struct slots *slots;
	const struct tree *tree;
	const struct process_row *row;
	const struct slot_now *slot;
	const struct notebook_track *track;
	int64_t now;
	bool awaited; /* somebody waits for its process: does it rest? */
};

/* False: asked at a moment when it was not there (a signal's handler): that is no sample, and no harm. */
bool proof_sample(const struct proof_look *look, struct slot_proof *out);

/* Do two samples tell of the same wait? */
bool proof_agrees(const struct slot_proof *before, const struct slot_proof *now);

/* Of the next sample that agrees: has a timer ticked on it, and it waits on? */
void proof_note_switches(struct slot_proof *proof, uint64_t switches);

/* ---- its parts: each fills `out` from what the kernel says, and returns as above */

bool proof_sample_child(const struct proof_look *look, const struct evidence *evidence, struct slot_proof *out);
bool proof_sample_file_lock(
	const struct proof_look *look, const struct evidence *evidence, struct slot_proof *out);
bool proof_sample_once(const struct proof_look *look, const struct evidence *evidence, struct slot_proof *out);

/* In no call that tells what it waits for: the memory around its futex may. */
bool proof_sample_futex(const struct proof_look *look, const struct evidence *evidence, struct slot_proof *out);

bool proof_task_exists(pid_t pid, pid_t tid);

#endif
