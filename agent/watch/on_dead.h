/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's half of `liveness.onDead`: the first time that a service is found dead the supervisor is asked to run
 * the command, and until that is over, or has had its time, livez says what it said before. Whoever is alive again
 * by then was never dead for anybody.
 * Threads: the sampler. Failure: a supervisor that does not answer is waited for no longer than the command would be.
 */
#ifndef LS_WATCH_ON_DEAD_H
#define LS_WATCH_ON_DEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "judge/verdict.h"

struct service;

struct on_dead_hold {
	enum verdict before;   /* what livez said before it was dead */
	enum reason_code reason;
	int64_t since;         /* CLOCK_BOOTTIME ns: when it was found dead; 0: it is alive */
	int64_t alive_since;   /* … when it was first seen alive with an old death still with the supervisor */
	bool asked;            /* the supervisor has it */
	bool over;             /* livez may say it */
	bool said;             /* `observe`: what would have been run */
};

/* After the verdict of a tick, before anybody hears of it. */
void on_dead_follow(struct service *service, int64_t now);

#endif
