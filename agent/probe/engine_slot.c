/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "probe/measure.h"

enum { STACK_BYTES = 512 * 1024 }; /* of it only what is used costs memory */

#define FREE_EVERY_NS (100 * NS_PER_MS) /* a kind may hold another descriptor by then */

struct start {
	struct slot *slot;
	const char *modules;
};

static void wake_engine(const struct slot *slot)
{
	uint64_t one = 1;

	if (write(slot->done, &one, sizeof(one)) < 0)
		return; /* EAGAIN: it is awake */
}

/* With the lock held. */
static void keep(struct slot *slot, const struct probe_result *result)
{
	if (result->status == PROBE_UNKNOWN)
		return; /* it cannot tell: as if it had not been asked, so that what is published holds, and ages */
	slot->last = *result;
	slot->last.cycle = slot->cycle;
	slot->has_last = slot->unsent = true;
	slot->failures = result->status == PROBE_DOWN ? slot->failures + 1 : 0;
}

/* What a kind that could not be loaded or opened answers to everything. */
static void answer_broken(struct attempt *attempt, const char *why)
{
	(void)attempt_fail(attempt, PROBE_INTERNAL, "%s", why);
}

static void ask_once(struct slot *slot, const struct probe_kind *kind, void *state, const char *why)
{
	if (kind)
		kind->ask(state, &slot->attempt);
	else
		answer_broken(&slot->attempt, why);
	(void)pthread_mutex_lock(&slot->lock);
	attempt_end(&slot->attempt);
	measure(&slot->of, &slot->result);
	slot->running = false;
	if (!slot->published)
		keep(slot, &slot->result);
	(void)pthread_mutex_unlock(&slot->lock);
	wake_engine(slot);
}

/* False when it is to end. */
static bool await_question(struct slot *slot)
{
	bool go;

	(void)pthread_mutex_lock(&slot->lock);
	while (!slot->asked && !slot->ending)
		(void)pthread_cond_wait(&slot->wake, &slot->lock);
	go = !slot->ending;
	if (go) {
		slot->asked = false;
		slot->running = true;
		slot->flight = slot->began;
		attempt_begin(&slot->attempt, &slot->of, &slot->result, slot->began, slot->deadline);
		slot->attempt.urgent = slot->urgent;
	}
	(void)pthread_mutex_unlock(&slot->lock);
	return go;
}

/* Told to end, and not yet gone: an atomic, the engine reads it. */
static _Atomic unsigned leaving;

static void free_slot(struct slot *slot)
{
	if (slot->ending)
		leaving--;
	(void)pthread_mutex_destroy(&slot->lock);
	(void)pthread_cond_destroy(&slot->wake);
	free(slot);
}

/* Owns the kind's state; ends by slot_end, as soon as the kind lets it. */
static void *slot_main(void *argument)
{
	struct start *start = argument;
	struct slot *slot = start->slot;
	char why[PROBE_DETAIL] = "";
	void *state = NULL;
	const struct probe_kind *kind = kinds_load(slot->of.kind, start->modules, why, sizeof(why));

	free(start);
	if (kind && kind->open(&slot->of, &state, why, sizeof(why)) != 0)
		kind = NULL;
	if (!kind && !*why)
		(void)snprintf(why, sizeof(why), "no memory");
	while (await_question(slot))
		ask_once(slot, kind, state, why);
	if (kind)
		kind->close(state);
	free_slot(slot);
	return NULL;
}

struct slot *slot_start(const struct dependency *of, int done, const char *modules)
{
	struct slot *slot = calloc(1, sizeof(*slot));
	struct start *start = malloc(sizeof(*start));
	pthread_attr_t attributes;
	int error;

	if (!slot || !start) {
		free(slot);
		free(start);
		return NULL;
	}
	*start = (struct start){slot, modules};
	slot->of = *of;
	slot->done = done;
	slot->again = INT64_MAX;
	(void)pthread_mutex_init(&slot->lock, NULL); /* these cannot fail on Linux */
	(void)pthread_cond_init(&slot->wake, NULL);
	(void)pthread_attr_init(&attributes);
	(void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
	(void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	error = pthread_create(&slot->thread, &attributes, slot_main, start);
	(void)pthread_attr_destroy(&attributes);
	if (!error)
		return slot;
	free(start);
	free_slot(slot);
	return NULL;
}

bool slot_ask(struct slot *slot, int64_t began, int64_t deadline, uint64_t cycle)
{
	bool idle;

	(void)pthread_mutex_lock(&slot->lock);
	idle = !slot->running && !slot->asked;
	slot->urgent = slot->again != INT64_MAX;
	slot->again = INT64_MAX;
	if (idle || slot->published) { /* what is late already is late once more at the end of this cycle */
		slot->began = began;
		slot->deadline = deadline;
		slot->cycle = cycle;
		slot->published = false;
	}
	if (idle) {
		slot->asked = true;
		(void)pthread_cond_signal(&slot->wake);
	}
	(void)pthread_mutex_unlock(&slot->lock);
	return idle;
}

/* With the lock held: at this moment it counts as timed out, whatever it still says. */
static void publish_overdue(struct slot *slot)
{
	struct probe_result result;

	if (slot->running) {
		attempt_overdue(&slot->attempt, &result);
	} else { /* its thread still loads its library, or waits for a CPU */
		result = (struct probe_result){.version = PROBE_WIRE_VERSION, .status = PROBE_DOWN, .error = PROBE_TIMEOUT};
		result.ended = clock_boot_ns();
	}
	result.began = result.ended - (clock_mono_ns() - slot->began);
	for (unsigned phase = 0; phase < PHASES; phase++)
		result.phase_ns[phase] = result.phase_ns[phase] ? result.ended - result.began : 0;
	slot->published = true;
	keep(slot, &result);
}

/* With the lock held, and the attempt's too: a kind lets go of a descriptor before it closes it. */
static void shut_down(struct slot *slot)
{
	(void)pthread_mutex_lock(&slot->attempt.note);
	if (slot->attempt.held >= 0)
		(void)shutdown(slot->attempt.held, SHUT_RDWR); /* ENOTSOCK, ENOTCONN: nothing to free */
	(void)pthread_mutex_unlock(&slot->attempt.note);
}

int64_t slot_follow(struct slot *slot, int64_t now, int64_t *stuck)
{
	int64_t next = INT64_MAX;

	*stuck = 0;
	(void)pthread_mutex_lock(&slot->lock);
	if (slot->asked || slot->running) {
		next = slot->deadline;
		if (now >= slot->deadline) {
			if (!slot->published)
				publish_overdue(slot);
			next = now + FREE_EVERY_NS;
		}
	}
	if (slot->running && slot->published) {
		shut_down(slot);
		*stuck = now - slot->flight;
		next = now + FREE_EVERY_NS < next ? now + FREE_EVERY_NS : next;
	}
	(void)pthread_mutex_unlock(&slot->lock);
	return next < slot->again ? next : slot->again;
}

bool slot_take(struct slot *slot, struct probe_result *out)
{
	bool has;

	(void)pthread_mutex_lock(&slot->lock);
	has = slot->has_last && slot->unsent;
	if (has)
		*out = slot->last;
	(void)pthread_mutex_unlock(&slot->lock);
	return has;
}

void slot_sent(struct slot *slot, const struct probe_result *sent)
{
	(void)pthread_mutex_lock(&slot->lock);
	if (slot->last.began == sent->began && slot->last.ended == sent->ended)
		slot->unsent = false;
	(void)pthread_mutex_unlock(&slot->lock);
}

void slot_end(struct slot *slot)
{
	leaving++;
	(void)pthread_mutex_lock(&slot->lock);
	slot->ending = true;
	if (slot->running)
		shut_down(slot);
	(void)pthread_cond_signal(&slot->wake);
	(void)pthread_mutex_unlock(&slot->lock);
}

unsigned slots_leaving(void)
{
	return leaving;
}
