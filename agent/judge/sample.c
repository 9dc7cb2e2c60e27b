/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/sample.h"

#define LATE_NS INT64_C(100000000)
#define APART_NS INT64_C(10000000)
enum { STEAL_SHARE = 5 };

bool sample_is_void(const struct sample_clocks *before, const struct sample_clocks *now, int64_t period_ns)
{
	int64_t passed = now->boot_ns - before->boot_ns, ran = now->monotonic_ns - before->monotonic_ns;
	uint64_t stolen = now->steal_ns > before->steal_ns ? now->steal_ns - before->steal_ns : 0;

	if (passed <= 0 || ran <= 0 || passed > period_ns + LATE_NS)
		return true;
	if (passed - ran > APART_NS || ran - passed > APART_NS)
		return true;
	return stolen * STEAL_SHARE > (uint64_t)passed * (now->cpus ? now->cpus : 1);
}
