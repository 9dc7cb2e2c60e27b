/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a waiting thread waits for: the object of its call, the owner of the lock as the service's memory
 * has it, and the futex that the kernel says it sleeps on.
 * Threads: the sampler. Failure: what cannot be read stays 0 (unknown).
 */
#ifndef LS_WAITS_H
#define LS_WAITS_H

#include "judge/record.h"
#include "watch/tree.h"
#include "watch/view.h"

void waits_look(const struct process_row *row, const struct slot_record *record, struct wait_target *out);

/* The futex address of a thread that sleeps in futex(2), 0 otherwise; `text` is /proc/PID/task/TID/syscall. */
uint64_t waits_futex_of(const char *text);

#endif
