/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the sampler's working state to the immutable snapshot that request handlers read.
 * Threads: the sampler. Failure: without memory the old snapshot stays and grows stale, which is told.
 */
#ifndef LS_PUBLISH_H
#define LS_PUBLISH_H

#include "watch/service.h"

void publish_snapshot(struct service *service, int64_t now);

#endif
