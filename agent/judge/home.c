/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/home.h"

#include <stddef.h>

#include "judge/calls.h"

static struct home_site *find_site(const struct home *home, uint32_t op, uint64_t caller)
{
	for (unsigned i = 0; i < HOME_SITES; i++) {
		const struct home_site *site = &home->sites[i];

		if (site->op == op && site->caller == caller)
			return (struct home_site *)site;
	}
	return NULL;
}

/* Where connections and what they say come in, proven. */
static bool is_front(const struct home_site *site)
{
	enum call_class class = call_info(site->op)->class;

	return site->returns >= HOME_RETURNS && (class == CLASS_EVENT || class == CLASS_ACCEPT);
}

static bool is_weaker(const struct home_site *site, const struct home_site *than)
{
	if (is_front(site) != is_front(than))
		return is_front(than);
	return site->returns < than->returns;
}

/* The site that has proven itself least gives way. Under load a thread is seen more often at the lock of its runtime
 * than where it waits for clients, but that is where it will stand when they have gone. */
static struct home_site *weakest_site(struct home *home)
{
	struct home_site *weakest = &home->sites[0];

	for (unsigned i = 0; i < HOME_SITES; i++) {
		if (home->sites[i].op == 0)
			return &home->sites[i];
		if (is_weaker(&home->sites[i], weakest))
			weakest = &home->sites[i];
	}
	return weakest;
}

static bool class_is_home_at_once(enum call_class class)
{
	switch (class) {
	case CLASS_EVENT:
	case CLASS_ACCEPT:
	case CLASS_COND:
	case CLASS_SIGNAL:
	case CLASS_SLEEP: return true;
	default: return false;
	}
}

static bool another_is_proven(const struct home *home, const struct home_site *but)
{
	for (unsigned i = 0; i < HOME_SITES; i++) {
		if (&home->sites[i] != but && home->sites[i].returns >= HOME_RETURNS)
			return true;
	}
	return false;
}

void home_note_wait(struct home *home, uint32_t op, uint64_t caller, bool returned)
{
	struct home_site *site = find_site(home, op, caller);

	if (!site) {
		site = weakest_site(home);
		*site = (struct home_site){.op = op, .caller = caller};
		return;
	}
	if (returned && site->returns < UINT32_MAX)
		site->returns++;
}

void home_prove(struct home *home, uint32_t op, uint64_t caller)
{
	struct home_site *site = find_site(home, op, caller);

	if (!site) {
		site = weakest_site(home);
		*site = (struct home_site){.op = op, .caller = caller};
	}
	if (site->returns < HOME_RETURNS)
		site->returns = HOME_RETURNS;
}

bool home_is_at(const struct home *home, uint32_t op, uint64_t caller)
{
	const struct home_site *site = find_site(home, op, caller);

	if (!site)
		return false;
	if (site->returns >= HOME_RETURNS)
		return true;
	return class_is_home_at_once(call_info(op)->class) && !another_is_proven(home, site);
}
