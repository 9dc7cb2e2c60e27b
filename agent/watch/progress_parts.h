/* SPDX-License-Identifier: Apache-2.0 */
/* What the files progress_*.c share; nobody else includes it. */
#ifndef LS_PROGRESS_PARTS_H
#define LS_PROGRESS_PARTS_H

#include "watch/progress.h"
#include "watch/service.h"

/* Fills frame.looks and its order. False: no memory. */
bool progress_fill_threads(struct service *service, int64_t now, unsigned *left);

/* Fills frame.processes; false: no memory. Before the threads, which ask what connections there are. */
bool progress_fill_processes(struct service *service, int64_t now);

/* Is some thread that serves away from its home, and has not moved since the tick before? */
bool progress_somebody_stands(const struct service *service);

/* Have connections waited in some accept queue since the look before? */
bool progress_somebody_queues(const struct service *service);

/* It has been suspicious for long enough that asking the kernel is worth its price. */
bool progress_is_deep(const struct progress *progress, int64_t now);

/* When the knock is taken by nobody, it stands in the queue of this listener; NULL: there is none to knock at. */
const struct diag_listener *progress_listener_of(const struct service *service, pid_t pid);

/* The slot of a thread, LADDER_NOBODY when it has none. */
int32_t progress_find_tid(const struct service *service, pid_t tid);

#endif
