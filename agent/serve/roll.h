/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All services as they stand at one moment, for the answers that are about all of them. Looked up once: a
 * service that comes or goes meanwhile is in the whole answer or in none of it. Valid as long as the snapshots
 * are held. Memory: roll_end.
 */
#ifndef LS_ROLL_H
#define LS_ROLL_H

#include "serve/request.h"
#include "serve/standing.h"

struct roll {
	const struct standing *each; /* in the order of their coming */
	unsigned count;
	struct standing agent;  /* what the agent says of itself stands in here */
	struct standing *owned; /* NULL: `each` is the caller's */
};

/* `asked`: whose page this is; the only one of the roll when the request named it. False: no memory. */
bool roll_call(struct roll *roll, const struct standing *asked, const struct request *request);
void roll_end(struct roll *roll);

#endif
