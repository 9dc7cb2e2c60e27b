/* SPDX-License-Identifier: Apache-2.0 */
/* What a prober may send, and what its answers do to a judge. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/dependency_set.h"
#include "base/probe_wire.h"
#include "judge/dependencies.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	static const struct dependency_limits limits = {.failure_threshold = 3, .success_threshold = 2};
	struct dependency_state states[4] = {0};
	struct probe_result result;

	while (count >= sizeof(result)) {
		memcpy(&result, bytes, sizeof(result));
		bytes += sizeof(result);
		count -= sizeof(result);
		result.version = PROBE_WIRE_VERSION; /* else nothing ever gets further */
		result.epoch = 1;
		if (!probe_result_check(&result, sizeof(result), 1, 4))
			continue;
		if (memchr(result.detail, 0, sizeof(result.detail)) == NULL || (result.has_value && !isfinite(result.value)))
			abort();
		(void)dependency_learn(&states[result.dependency], &result, &limits);
		(void)dependency_disagrees(&states[result.dependency]);
		if (states[result.dependency].status >= PROBE_STATUSES || !probe_error_text(states[result.dependency].error))
			abort();
	}
	memset(&result, 0, sizeof(result));
	memcpy(&result, bytes, count);
	(void)probe_result_check(&result, count, result.epoch, 4);
	return 0;
}
