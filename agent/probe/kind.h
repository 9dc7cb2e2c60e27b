/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A kind of dependency: one file kind_X.c, built as a module of its own that the prober loads only when the
 * configuration names it, so that no library is loaded for nothing. The module exports `probe_kind`.
 *
 * Threads: each dependency has one thread; open, ask and close of one state are called there, never two at a
 * time. Another thread may shut down the held descriptor or ask the prober to end: nothing else is shared.
 * Failure: ask() says what is wrong by attempt_fail(), in the level that was reached; the connection is then
 * closed by the kind, and the next ask() begins anew. It keeps one connection while all is well.
 */
#ifndef LS_PROBE_KIND_H
#define LS_PROBE_KIND_H

#include "probe/attempt.h"

struct probe_kind {
	const char *name;
	/* Once: memory only, no I/O. 0, or -errno with a reason for a person in `why`. */
	int (*open)(const struct dependency *of, void **state, char *why, size_t why_bytes);
	/* One question, within attempt_left_ms(). Waits only in attempt_… calls, or in a library that was given
	 * that limit. Returning without attempt_fail() means: it answered, and rightly. */
	void (*ask)(void *state, struct attempt *attempt);
	void (*close)(void *state);
};

/* What a module exports. */
extern const struct probe_kind probe_kind;

#endif
