/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

/* The whole plan in memory, to be freed; NULL: it is none. */
static struct probe_plan *read_plan(int fd)
{
	struct probe_plan *plan;
	struct stat status;
	size_t head = offsetof(struct probe_plan, set);

	if (fstat(fd, &status) < 0 || status.st_size < (off_t)sizeof(struct probe_plan) || status.st_size > INT32_MAX)
		return NULL;
	plan = malloc((size_t)status.st_size);
	if (!plan)
		return NULL;
	if (pread(fd, plan, (size_t)status.st_size, 0) != status.st_size || plan->version != PROBE_PLAN_VERSION ||
		!dependency_set_check(&plan->set, (uint64_t)status.st_size - head) || plan->period_ns <= 0 || plan->timeout_ns <= 0) {
		free(plan);
		return NULL;
	}
	return plan;
}

static struct slot *find_same(struct engine *engine, const struct dependency *of)
{
	uint64_t identity = dependency_identity(of);

	for (unsigned i = 0; i < engine->count; i++)
		if (!engine->slots[i]->kept && dependency_identity(&engine->slots[i]->of) == identity)
			return engine->slots[i];
	return NULL;
}

/* What did not change goes on with its thread, its connection and its results. */
static void change_slots(struct engine *engine, const struct dependency_set *set)
{
	struct slot *next[DEPENDENCIES];
	unsigned count = 0;

	for (uint32_t i = 0; i < set->count; i++) {
		struct slot *slot = find_same(engine, &set->list[i]);

		if (slot)
			slot->kept = true;
		else
			slot = slot_start(&set->list[i], engine->done, engine->modules);
		if (!slot) {
			log_event(LOG_LEVEL_ERROR, "prober", "no memory to ask %s", set->list[i].name);
			continue;
		}
		slot->index = i;
		next[count++] = slot;
	}
	for (unsigned i = 0; i < engine->count; i++)
		if (!engine->slots[i]->kept)
			slot_end(engine->slots[i]);
	for (unsigned i = 0; i < count; i++)
		next[i]->kept = false;
	memcpy(engine->slots, next, count * sizeof(*next));
	engine->count = count;
}

static void tell_all_again(struct engine *engine)
{
	for (unsigned i = 0; i < engine->count; i++) {
		struct slot *slot = engine->slots[i];

		(void)pthread_mutex_lock(&slot->lock);
		slot->unsent = slot->has_last;
		(void)pthread_mutex_unlock(&slot->lock);
	}
}

void engine_take_plan(struct engine *engine, int fd)
{
	struct probe_plan *plan = read_plan(fd);
	int64_t now = clock_mono_ns();

	close(fd);
	if (!plan)
		return; /* of an agent that we do not understand */
	if (plan->set.epoch != engine->epoch) {
		change_slots(engine, &plan->set);
		engine->epoch = plan->set.epoch;
		engine->next_cycle = now;
		engine->first = true;
	} else if (plan->period_ns != engine->period_ns) {
		engine->next_cycle = now;
	}
	engine->period_ns = plan->period_ns;
	engine->timeout_ns = plan->timeout_ns;
	memcpy(engine->service, plan->service, sizeof(engine->service));
	engine->service[sizeof(engine->service) - 1] = '\0';
	attempt_name_service(engine->service);
	tell_all_again(engine); /* a new agent knows nothing; one that knows ignores what it has had */
	free(plan);
}
