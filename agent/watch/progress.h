/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feeds the ladder (judge/ladder.h): while some thread that serves is away from home, or connections wait, each tick
 * becomes one step; while all is well nothing is copied and nothing is asked. Questions to the kernel are asked of
 * suspects, a bounded number a tick.
 *
 *   progress.c            when there is a step, and what comes of it: knock, false alarm
 *   progress_threads.c    slots -> ladder_look, with the kernel's witness
 *   progress_processes.c  tree, listeners, sockets -> ladder_process_look
 *   progress_words.c      what was found, for people
 *
 * Threads: the sampler. Failure: what cannot be read is unknown, of which nobody dies. Memory: arrays by slot and by
 * process, made at the first suspicion.
 */
#ifndef LS_PROGRESS_H
#define LS_PROGRESS_H

#include "judge/ladder.h"
#include "judge/sample.h"
#include "watch/front.h"
#include "watch/knock.h"
#include "watch/wait_on.h"

struct service;

enum { PROGRESS_LISTENERS = 64 };

/* Of a thread, beside its look: what need not be asked again while it stands. */
struct progress_thread {
	uint64_t claim, entries; /* for which `answer` was found out */
	uint32_t op;
	int64_t asked; /* CLOCK_BOOTTIME ns, 0 never */
	int64_t answered; /* when `answer` was found out; what a thread waits on may change while it stands */
	struct wait_on_answer answer;
};

struct progress_queue {
	uint64_t inode;
	uint32_t queue;
	bool taken; /* it was longer before */
};

struct progress {
	struct ladder ladder;
	struct ladder_look *looks;
	struct progress_thread *threads;
	uint32_t *pool_of;  /* by slot: threads of one kind in one process */
	uint32_t *by_tid;   /* open addressing: slot + 1 */
	uint32_t slots, tids; /* how many of each */
	unsigned pools;
	struct ladder_process_look *processes;
	unsigned process_room;
	struct ladder_frame frame; /* of the last step */
	struct ladder_out out;
	bool stands;      /* `out` and `frame` are of this tick */
	int64_t assigned; /* service->tree_read for which pools and tids were numbered */
	int64_t ticked;
	int64_t suspected; /* since when somebody is under suspicion, 0 = nobody is */
	uint32_t turn;
	struct sample_clocks clocks;
	struct front front;
	int64_t front_cost; /* CPU time of the last look at connections */
	struct progress_queue queues[PROGRESS_LISTENERS];
	unsigned queue_count;
	int64_t queues_read;
	struct knock knock;
	int64_t knocked;
	uint64_t throttled_ns;
	int64_t throttled_read;
};

/* Once a tick, after proofs_look() and before the verdict. `left`: questions to the kernel. */
void progress_look(struct service *service, int64_t now, unsigned *left);

/* Adds what was found to the verdicts. */
void progress_judge(struct service *service, bool observe, int64_t now);

/* Does this proven knot (of service->proofs, critical) make the service dead, or is it one worker of many? */
bool progress_proof_counts(const struct service *service, unsigned knot);

void progress_end(struct progress *progress);

#endif
