/* SPDX-License-Identifier: Apache-2.0 */
/*
 * At the first `dead` the whole picture goes into the log, once: every process and thread with what it does,
 * for how long and whom it waits for, listeners, and what waits in them; so that whoever comes after the
 * restart can still see why. In text lines, in JSON one object; both bounded, and alike threads are told
 * together. Threads: the sampler. Failure: without memory nothing is told.
 */
#ifndef LS_PICTURE_H
#define LS_PICTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "state/snapshot.h"

struct service;

struct picture_due {
	bool due;      /* it is to be told with the next snapshot */
	bool told;     /* of the present death */
	int64_t alive; /* CLOCK_BOOTTIME ns: since when it is not dead, 0 = it is */
};

/* After the verdict of a tick. */
void picture_follow(struct service *service, int64_t now);

/* When it is due; `snapshot` is what will be published. */
void picture_tell(struct service *service, const struct snapshot *snapshot);

#endif
