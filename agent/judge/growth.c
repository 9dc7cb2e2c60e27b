/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/growth.h"

static void end_window(struct growth *growth)
{
	bool rises = growth->any && growth->lowest > growth->last;

	if (!rises)
		growth->base = growth->lowest;
	growth->rising = rises ? growth->rising + 1 : 0;
	growth->last = growth->lowest;
	growth->any = true;
}

static void begin_window(struct growth *growth, int64_t now, uint64_t value)
{
	growth->began = now;
	growth->lowest = value;
}

static bool grows(const struct growth *growth, const struct growth_policy *policy)
{
	return growth->rising >= GROWTH_WINDOWS && growth->last >= policy->at_least &&
	       growth->last / 2 >= growth->base;
}

/* A window in which nobody looked (the agent slept, the machine did) says nothing of what came before it. */
static void pass_windows(struct growth *growth, const struct growth_policy *policy, int64_t now, uint64_t value)
{
	if (!growth->began || now < growth->began || now - growth->began >= 2 * policy->window) {
		*growth = (struct growth){0};
		begin_window(growth, now, value);
	} else if (now - growth->began >= policy->window) {
		end_window(growth);
		begin_window(growth, now, value);
	}
}

/* Small limits are counted exactly, big ones (bytes) without overflowing. */
static bool is_near_limit(const struct growth_policy *policy, uint64_t value)
{
	uint64_t near = policy->limit < UINT64_MAX / 100 ? policy->limit * policy->share / 100
							 : policy->limit / 100 * policy->share;

	return policy->limit && value >= near;
}

enum growth_level growth_note(
	struct growth *growth, const struct growth_policy *policy, int64_t now, uint64_t value)
{
	bool near = is_near_limit(policy, value);

	pass_windows(growth, policy, now, value);
	if (value < growth->lowest)
		growth->lowest = value;
	if (!near && !grows(growth, policy))
		growth->since = 0;
	else if (!growth->since)
		growth->since = now;
	if (near)
		return GROWTH_NEAR_LIMIT;
	return growth->since ? GROWTH_RISING : GROWTH_NONE;
}
