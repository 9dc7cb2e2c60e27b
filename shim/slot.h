/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entering and leaving a wrapped call. slot_begin() and slot_end() are the whole hot path: plain stores,
 * every one absolute, so that whatever ends the call in another way leaves nothing inverted.
 * Threads: the slot's own. Failure: no slot, no trace, the same call. Signals: all of it may be interrupted
 * by a handler that makes wrapped calls itself.
 */
#ifndef LS_SHIM_SLOT_H
#define LS_SHIM_SLOT_H

#include <stdbool.h>
#include <stdint.h>

#include "state.h"

/* Anything but the plain case: no slot, a new process, or a call inside a call. */
static inline bool slot_is_special(const struct segment_slot *slot)
{
	return __builtin_expect((uintptr_t)slot <= SELF_LAST || !shim_own.state || slot->call, 0);
}

static inline void slot_begin(struct segment_slot *slot, uint64_t call, uint64_t object, uint64_t extra,
	uint64_t caller, uint64_t frame)
{
	slot->object = object;
	slot->extra = extra;
	slot->caller = caller;
	slot->frame = frame;
	slot->entries++;
	__atomic_store_n(&slot->call, call, __ATOMIC_RELEASE); /* G4; partner: the agent's acquire */
}

static inline void slot_end(struct segment_slot *slot)
{
	__atomic_store_n(&slot->call, 0, __ATOMIC_RELEASE);
}

/* The same for every other case; the ticket of the one is for the other. */
uintptr_t slot_enter(uint64_t call, uint64_t object, uint64_t extra, uint64_t caller, uint64_t frame);
void slot_leave(uintptr_t ticket);

/* This thread is inside no call, because its stack was unwound (longjmp, exception, cancellation). */
void slot_unwind(void);
/* This thread's slot, claimed if need be; NULL without one. */
struct segment_slot *slot_mine(void);
/* A thread that starts: claims with what pthread_create was given. */
void slot_claim(uint64_t start_routine);
/* In the child of fork(): remembers it until its first call. */
void slot_after_fork(void);
/* The slots of a child that has ended and was waited for, as far as they are among the latest. */
void slot_bury(uint32_t pid);
/* Destructor of the thread's key; frees the slot in the last round. */
void slot_exit(void *value);

#endif
