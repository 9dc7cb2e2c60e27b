/* SPDX-License-Identifier: Apache-2.0 */
/*
 * This process's entry in the segment, and what a thread can say about itself without a system call.
 * Threads: any. Failure: without an entry the process stays without slots.
 */
#ifndef LS_SHIM_PROCESS_H
#define LS_SHIM_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

/* Claims that are made at the same time may leave a hint that is behind the latest by so many. */
#define HINT_LAG 32

/* Claims an entry. False: there is none free, or another thread is at it. */
bool process_register(uint32_t pid, uint32_t parent);
/* A child of this process has ended and was waited for: frees its entry, if it is one of the latest. */
void process_bury(uint32_t pid);
/* Learns where a thread control block holds the tid, and the clock; in the constructor. */
void process_learn(uintptr_t vdso);
/* The calling thread's id. `stale`: the copy in its control block may be another process's. */
uint32_t process_tid(bool stale);
uint32_t process_pid(void); /* by a system call */
/* Highest address known to be the calling thread's own stack, at least `frame`. */
uint64_t process_stack_top(uint64_t frame);
uint64_t process_stamp(void); /* ns of CLOCK_BOOTTIME */

#endif
