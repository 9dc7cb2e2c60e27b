/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The optional API for services that can be changed. A service that only runs under the shim needs
 * none of it. All functions are weak: without the shim they are no-ops and cost one test.
 *
 * Threads: each may be called from any thread at any time; none blocks, allocates or sets errno.
 */
#ifndef LIFESIGN_H
#define LIFESIGN_H

#ifdef __cplusplus
extern "C" {
#endif

/* liblifesign.so exports these; everywhere else they stay undefined and weak. */
void lifesign_shim_beat(void) __attribute__((weak));
void lifesign_shim_work_begin(const char *what) __attribute__((weak));
void lifesign_shim_work_end(void) __attribute__((weak));
void lifesign_shim_queue_depth(long depth) __attribute__((weak));

/* This thread made progress: for long computations that make no call which the shim sees. */
static __inline__ void lifesign_beat(void)
{
	if (lifesign_shim_beat)
		lifesign_shim_beat();
}

/* This thread starts one piece of work; until lifesign_work_end() it is not idle whatever it waits for.
 * `what` is not kept. Does not nest: a second begin starts the next piece. */
static __inline__ void lifesign_work_begin(const char *what)
{
	if (lifesign_shim_work_begin)
		lifesign_shim_work_begin(what);
}

static __inline__ void lifesign_work_end(void)
{
	if (lifesign_shim_work_end)
		lifesign_shim_work_end();
}

/* How much work waits in this process now (0 or more); the latest value stands. */
static __inline__ void lifesign_queue_depth(long depth)
{
	if (lifesign_shim_queue_depth)
		lifesign_shim_queue_depth(depth);
}

#ifdef __cplusplus
}
#endif
#endif
