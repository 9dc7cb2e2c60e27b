/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does something grow without end: threads of one kind, open files, memory? The lowest value of each window
 * counts, so that peaks do not; growing is five windows that each end higher than the one before, and twice
 * where it began. Pure.
 */
#ifndef LS_GROWTH_H
#define LS_GROWTH_H

#include <stdbool.h>
#include <stdint.h>

enum { GROWTH_WINDOWS = 5 };

struct growth {
	int64_t began;   /* of the present window, CLOCK_BOOTTIME ns; 0: nothing was noted yet */
	uint64_t lowest; /* in it */
	uint64_t base;   /* lowest of the last window that did not rise */
	unsigned rising; /* windows in a row that ended higher */
	uint64_t last;   /* lowest of the window before */
	bool any;        /* there is one */
	int64_t since;   /* when it was first found to grow; 0: it does not */
};

enum growth_level { GROWTH_NONE, GROWTH_RISING, GROWTH_NEAR_LIMIT };

/* `window` ns; `limit` 0: there is none. `share` of the limit is near it, in percent. */
struct growth_policy {
	int64_t window;
	uint64_t limit, at_least; /* below `at_least` nothing is growth */
	unsigned share;
};

enum growth_level growth_note(
	struct growth *growth, const struct growth_policy *policy, int64_t now, uint64_t value);

#endif
