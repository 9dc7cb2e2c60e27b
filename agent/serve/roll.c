/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/roll.h"

#include <stdlib.h>

static struct standing stand_beside(const struct standing *asked, const struct snapshot *snapshot)
{
	return standing_of(snapshot, asked->now, asked->beat, asked->snapshot->tick_ns);
}

static unsigned count_seats(void)
{
	unsigned count = 0;

	for (const struct snapshot_seat *seat = NULL; (seat = snapshot_next(seat));)
		count++;
	return count;
}

/* Who came since they were counted is left for the next request. */
static bool call_all(struct roll *roll, const struct standing *asked, unsigned room)
{
	const struct snapshot_seat *seat = NULL;

	roll->owned = malloc(room * sizeof *roll->owned);
	if (!roll->owned)
		return false;
	roll->each = roll->owned;
	while (roll->count < room && (seat = snapshot_next(seat)))
		roll->owned[roll->count++] = stand_beside(asked, snapshot_at(seat));
	return true;
}

bool roll_call(struct roll *roll, const struct standing *asked, const struct request *request)
{
	const struct snapshot *whole = snapshot_whole();
	unsigned room = request->named ? 0 : count_seats();

	*roll = (struct roll){.agent = whole ? stand_beside(asked, whole) : *asked};
	if (room > 0)
		return call_all(roll, asked, room);
	if (request->named || !whole) { /* not even the first sample: the one that is to come */
		roll->each = asked;
		roll->count = 1;
	}
	return true;
}

void roll_end(struct roll *roll)
{
	free(roll->owned);
}
