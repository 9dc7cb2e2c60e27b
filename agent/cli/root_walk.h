/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a service that is not ready to the first cause: the dependency because of which, its own agent where that is
 * another lifesign, and so on. Ends where nobody answers as an agent does, at a cause, or at who was asked before.
 * Threads: main. Failure: what cannot be asked ends the walk, and that is said.
 */
#ifndef LS_ROOT_WALK_H
#define LS_ROOT_WALK_H

#include <jansson.h>

#include "cli/client.h"
#include "explain/explain.h"

/* `document`: the status of the agent at `place`. Says nothing when that one is ready. */
void root_walk(const struct client_place *place, const json_t *document, struct explain_because *out);

/* One line each on stdout, the deeper the further to the right. */
void root_walk_print(const struct explain_because *because);

#endif
