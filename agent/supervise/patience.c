/* SPDX-License-Identifier: Apache-2.0 */
#include "supervise/patience.h"

/* Quick deaths before a fork storm is slowed down, and the wait then: probes still get an answer within 100 ms. */
enum { QUICK_DEATHS = 5 };
#define STORM_WAIT_NS (50 * NS_PER_MS)

static int64_t grown(int64_t from, int64_t to)
{
	return from >= 0 && to > from ? to - from : 0;
}

/* The part of the time since the last look that counts against the agent. */
static int64_t countable(const struct patience_look *last, const struct patience_look *look)
{
	int64_t passed = look->mono - last->mono - grown(last->run_delay, look->run_delay);

	if (look->late > PATIENCE_LATE_NS || look->suspended - last->suspended > PATIENCE_LATE_NS)
		return 0;
	return passed > 0 ? passed : 0;
}

bool patience_look(struct patience *patience, const struct patience_look *look)
{
	if (!patience->looked || look->beat != patience->last.beat)
		patience->silent = 0;
	else
		patience->silent += countable(&patience->last, look);
	patience->last = *look;
	patience->looked = true;
	return patience->silent >= PATIENCE_NS;
}

void patience_started(struct patience_crashes *crashes, int64_t now)
{
	crashes->started = now;
}

static void note_crash(struct patience_crashes *crashes, int64_t now)
{
	for (int i = PATIENCE_CRASHES - 1; i > 0; i--)
		crashes->at[i] = crashes->at[i - 1];
	crashes->at[0] = now;
}

static int64_t wait_before_next(const struct patience_crashes *crashes)
{
	return crashes->quick > QUICK_DEATHS ? STORM_WAIT_NS : 0;
}

int64_t patience_ended(struct patience_crashes *crashes, int64_t now, enum patience_end end)
{
	int64_t lived = now - crashes->started, quick = end == END_CRASHED ? PATIENCE_QUICK_NS : PATIENCE_QUICK_KILL_NS, oldest;

	crashes->quick = lived < quick ? crashes->quick + 1 : 0;
	if (crashes->bare && lived >= PATIENCE_BARE_NS)
		*crashes = (struct patience_crashes){.started = crashes->started};
	if (end == END_CRASHED)
		note_crash(crashes, now);
	oldest = crashes->at[PATIENCE_CRASHES - 1];
	if (oldest && now - oldest <= PATIENCE_CRASH_NS)
		crashes->bare = true;
	return wait_before_next(crashes);
}
