/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/startup.h"

static bool is_done(enum startup_rule rule, const struct startup_look *look)
{
	switch (rule) {
	case STARTUP_BY_PORT: return look->port_accepts;
	case STARTUP_BY_WAIT: return look->main_waited_ns >= STARTUP_WAIT_NS;
	case STARTUP_BY_LISTENER: break;
	}
	return look->has_listener || look->age_ns >= STARTUP_NO_LISTENER_NS;
}

enum startup_state startup_judge(
	enum startup_state before, const struct startup_policy *policy, const struct startup_look *look)
{
	if (before != STARTUP_STARTING)
		return before;
	if (is_done(policy->rule, look))
		return STARTUP_DONE;
	return look->age_ns > policy->budget_ns ? STARTUP_TIMEOUT : STARTUP_STARTING;
}
