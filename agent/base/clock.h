/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only place that reads a clock. Ages are differences of CLOCK_BOOTTIME (it counts suspends, as /proc
 * start times do); wall time is for people only and never judged by.
 * Threads: any. Failure: clock_gettime of these clocks cannot fail on Linux >= 4.18.
 */
#ifndef LS_CLOCK_H
#define LS_CLOCK_H

#include <stdint.h>

#define NS_PER_SECOND INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)

int64_t clock_boot_ns(void);     /* CLOCK_BOOTTIME */
int64_t clock_mono_ns(void);     /* CLOCK_MONOTONIC */
int64_t clock_wall_ns(void);     /* CLOCK_REALTIME */
int64_t clock_thread_cpu_ns(void); /* CPU time of the calling thread */

#endif
