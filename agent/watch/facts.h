/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what the sampler has seen of a service to the facts that `judge` decides by.
 * Threads: the sampler.
 */
#ifndef LS_FACTS_H
#define LS_FACTS_H

#include "watch/service.h"

/* Gathers the facts of this tick and has them judged: service->verdicts. */
void facts_judge(struct service *service, int64_t now);

#endif
