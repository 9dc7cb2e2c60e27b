/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/measure.h"

#include <math.h>
#include <stdio.h>

#include "base/clock.h"

static void say(struct probe_result *result, enum probe_status status, enum probe_error error, const char *text, double found,
	double limit)
{
	result->status = status;
	result->error = error;
	(void)snprintf(result->detail, sizeof(result->detail), text, found, limit); /* short */
}

void measure(const struct dependency *of, struct probe_result *result)
{
	double seconds = (double)(result->ended - result->began) / (double)NS_PER_SECOND;

	if (result->status == PROBE_DOWN || result->status == PROBE_UNKNOWN)
		return;
	if (result->has_value && !isfinite(result->value)) {
		result->has_value = 0;
		say(result, PROBE_DOWN, PROBE_PROTOCOL_ERROR, "its value is no number (%g, %g)", result->value, 0);
	} else if (of->has_min && result->has_value && result->value < of->min) {
		say(result, PROBE_DOWN, PROBE_THRESHOLD, "%g is less than min %g", result->value, of->min);
	} else if (of->has_max && result->has_value && result->value > of->max) {
		say(result, PROBE_DOWN, PROBE_THRESHOLD, "%g is more than max %g", result->value, of->max);
	} else if (result->status == PROBE_UP && of->latency_seconds > 0 && seconds > of->latency_seconds) {
		say(result, PROBE_DEGRADED, PROBE_SLOW, "took %.3f s, latencySeconds is %g", seconds, of->latency_seconds);
	}
}
