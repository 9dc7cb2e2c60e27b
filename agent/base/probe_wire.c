/* SPDX-License-Identifier: Apache-2.0 */
#include "base/probe_wire.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/text.h"

static void clean(char *text, size_t bytes)
{
	text[bytes - 1] = 0;
	text_sanitize(text);
}

/* A number in which nothing can overflow: about 30 years. */
static bool is_time(int64_t ns)
{
	return ns >= 0 && ns < INT64_C(1000000000) * 1000000000;
}

/* What the numbers say belongs together. */
static bool is_sound(const struct probe_result *result)
{
	if (result->status >= PROBE_STATUSES || result->error >= PROBE_ERRORS || result->status == PROBE_UNKNOWN)
		return false;
	if ((result->error == PROBE_OK) != (result->status == PROBE_UP))
		return false;
	if (!is_time(result->began) || !is_time(result->ended) || result->ended < result->began)
		return false;
	for (unsigned phase = 0; phase < PHASES; phase++)
		if (!is_time(result->phase_ns[phase]))
			return false;
	return result->has_value <= 1 && (!result->has_value || isfinite(result->value));
}

bool probe_result_check(struct probe_result *result, uint64_t bytes, uint64_t epoch, unsigned dependencies)
{
	if (bytes != sizeof(*result) || result->version != PROBE_WIRE_VERSION || result->epoch != epoch)
		return false;
	if (result->dependency >= dependencies || !is_sound(result))
		return false;
	clean(result->address, sizeof(result->address));
	clean(result->detail, sizeof(result->detail));
	clean(result->root, sizeof(result->root));
	return true;
}
