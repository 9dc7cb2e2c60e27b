/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is a sample worth anything? Whoever watches distrusts himself first: what was seen late, or over a gap,
 * proves nothing. Pure.
 */
#ifndef LS_SAMPLE_H
#define LS_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

struct sample_clocks {
	int64_t boot_ns, monotonic_ns;
	uint64_t steal_ns; /* of all CPUs; 0 unknown */
	unsigned cpus;
};

/* Late by more than 100 ms, the machine slept, or a fifth of it was somebody else's. */
bool sample_is_void(const struct sample_clocks *before, const struct sample_clocks *now, int64_t period_ns);

#endif
