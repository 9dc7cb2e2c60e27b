/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does a thread wait on the service's front: on a set of descriptors that holds a listener or, beside
 * others, an accepted connection?
 * Threads: the sampler. Failure: what cannot be read does not serve.
 */
#ifndef LS_SERVING_H
#define LS_SERVING_H

#include <stdbool.h>
#include <stdint.h>

#include "watch/listeners.h"
#include "watch/tree.h"
#include "watch/view.h"

enum serving {
	SERVES_NOT,
	SERVES_CARRIES, /* accepted connections, but no listener among the first members */
	SERVES_ACCEPTS
};

/* Is this a call that can wait on descriptors of the front at all? */
bool serving_is_possible(uint32_t op);

enum serving serving_look(const struct process_row *row, const struct slot_record *record, struct listeners *listeners, int64_t now);

#endif
