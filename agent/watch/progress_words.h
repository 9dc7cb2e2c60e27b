/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the ladder found, in words that a person can check: who stands where, for how long, and what waits meanwhile.
 * Threads: the sampler.
 */
#ifndef LS_PROGRESS_WORDS_H
#define LS_PROGRESS_WORDS_H

#include <stddef.h>

#include "state/snapshot.h"

struct service;

/* Marks findings that failOpen forgives; before they are told to the verdicts. */
void progress_words_forgive(struct service *service, int64_t now);

/* Details, chain and stuck threads of the reasons that come from the ladder; after chain_fill(). */
void progress_words_fill(struct snapshot *out, const struct service *service);

/* A line in the log for each finding that is new, or a level higher than before. */
void progress_words_log(struct service *service);

/* The worst of what was found; empty when nothing is. */
void progress_words_worst(const struct service *service, char *out, size_t bytes);

#endif
