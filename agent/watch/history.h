/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What changed: transitions of the three answers become log lines, counters and events, once each, also
 * across agents (the notebook knows what was said last).
 * Threads: the sampler.
 */
#ifndef LS_HISTORY_H
#define LS_HISTORY_H

#include <stdbool.h>

#include "watch/service.h"

/* True when an answer differs from the one before. */
bool history_follow(struct service *service);

/* An event that is no transition: an agent that took over, a reload. */
void history_note(struct service *service, enum event_what what, const char *from, const char *to, const char *subject);

/* A dependency that has another status now. */
struct dependency_change;
void history_dependency(struct service *service, const struct dependency_change *change);

#endif
