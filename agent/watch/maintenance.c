/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/maintenance.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"

/* What was asked for and not yet looked at: until when, -1 nothing. Atomic. */
static _Atomic int64_t wish = -1;

/* What holds, as on the board. owner: the sampler */
static int64_t until, since;

void maintenance_ask(int64_t moment)
{
	atomic_store(&wish, moment);
}

int64_t maintenance_since(struct probe_board *board, int64_t now)
{
	int64_t asked = atomic_exchange(&wish, -1);

	if (board) {
		until = board->maintenance_until;
		since = board->maintenance_since;
	}
	if (asked >= 0) {
		until = asked;
		since = asked ? now : 0;
		log_event(LOG_LEVEL_INFO, "maintenance", asked ? "out of service: readyz says maintenance" : "back in service");
	} else if (until && until != INT64_MAX && now >= until) {
		until = since = 0;
		log_event(LOG_LEVEL_INFO, "maintenance", "its time is over: back in service");
	}
	if (board) {
		board->maintenance_until = until;
		board->maintenance_since = since;
	}
	return until ? since : 0;
}

static void say_end(const struct snapshot *snapshot, char *out, size_t bytes)
{
	time_t end = until == INT64_MAX ? 0 : (snapshot->wall + until - snapshot->sampled + NS_PER_SECOND / 2) / NS_PER_SECOND;
	struct tm utc;

	if (until == INT64_MAX || !gmtime_r(&end, &utc) || !strftime(out, bytes, "until %Y-%m-%dT%H:%M:%SZ", &utc))
		(void)snprintf(out, bytes, "until 'lifesign maintenance off'");
}

void maintenance_fill(struct snapshot *out)
{
	for (unsigned i = 0; i < out->ready.reason_count; i++) {
		struct snapshot_reason *reason = &out->ready.reasons[i];

		if (reason->code == REASON_MAINTENANCE)
			say_end(out, reason->detail, sizeof(reason->detail));
	}
}
