/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent itself costs, read from /proc/self. Threads: any. Failure: a number that cannot be had is
 * not known, never 0.
 */
#ifndef LS_SELF_H
#define LS_SELF_H

#include <stdbool.h>
#include <stdint.h>

/* NAN: not known. */
struct self_usage {
	double cpu_seconds, start_seconds; /* start: since the epoch */
	double resident_bytes, virtual_bytes;
	double open_fds, max_fds;
};

struct self_usage self_measure(void);

/* Cheaper, the memory alone. */
double self_resident_bytes(void);

#endif
