/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is a process covered by the shim, and if not, why not and what to do about it.
 * Threads: the sampler. Failure: what cannot be found out is said so.
 */
#ifndef LS_COVERAGE_H
#define LS_COVERAGE_H

#include <stdbool.h>

#include "watch/tree.h"

/* How long a process may take to join before it counts as not covered; the contract promises the log line in 2 s. */
#define COVERAGE_GRACE_NS INT64_C(700000000)

/* Sets row->coverage and row->why; logs once what is not covered and stays. False while it cannot be told yet.
 * `parent` is its parent's row, NULL outside of the service. */
bool coverage_refresh(struct process_row *row, const struct process_row *parent, int64_t now);

/* Did the process that this entry names make it, and does the program that made it still run? For processes of no
 * known parent; false where its memory cannot be read. */
bool coverage_entry_is_true(const struct process_record *record);

#endif
