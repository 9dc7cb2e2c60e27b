/* SPDX-License-Identifier: Apache-2.0 */
/* build: rooms */
/*
 * What one pass over all slots costs the agent: slots_sweep() on a real segment, every slot claimed.
 *   sweep SLOTS STATE ROUNDS     prints one JSON object: ns a slot, of each round
 * STATE: free       no slot is claimed
 *        idle       nobody moved since the tick before
 *        cold       same, and something else has used the caches meanwhile
 *        dirty      every thread entered another call
 *        elsewhere  same, written by another core
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "lifesign/calls.h"
#include "supervise/segment.h"
#include "watch/slots.h"

enum { SPOIL_BYTES = 256 << 20, WARM_UP = 3, FIRST_PID = 1000 };

static struct segment segment;
static struct notebook notebook;
static struct slots slots;
static unsigned char *spoil_area;

static void need(bool done, const char *what)
{
	if (done)
		return;
	fprintf(stderr, "sweep: %s\n", what);
	exit(1);
}

static void claim_all(uint32_t count)
{
	uint64_t now = (uint64_t)clock_boot_ns();

	for (uint32_t i = 0; i < count; i++) {
		struct segment_slot *slot = &segment.slots[i];

		slot->tid = FIRST_PID + i;
		slot->stamp = now;
		slot->entries = 1;
		slot->object = i;
		slot->call = 40 | CALL_TIMED; /* any operation */
		slot->claim = UINT64_C(1) << 32 | FIRST_PID;
	}
}

static void leave_alone(uint32_t count)
{
	(void)count;
}

static void use_caches(uint32_t count)
{
	memset(spoil_area, (int)count, SPOIL_BYTES);
}

static void move_all(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		__atomic_store_n(&segment.slots[i].entries, segment.slots[i].entries + 1, __ATOMIC_RELEASE); /* partner: view_slot */
}

static void *move_all_main(void *count)
{
	cpu_set_t here, other;

	CPU_ZERO(&other);
	need(sched_getaffinity(getpid(), sizeof(here), &here) == 0, "sched_getaffinity");
	for (int cpu = 0; cpu < (int)sysconf(_SC_NPROCESSORS_CONF); cpu++)
		if (!CPU_ISSET(cpu, &here))
			CPU_SET(cpu, &other);
	(void)sched_setaffinity(0, sizeof(other), &other); /* one core only: then on the same */
	move_all(*(uint32_t *)count);
	return NULL;
}

static void move_all_elsewhere(uint32_t count)
{
	pthread_t thread;

	need(pthread_create(&thread, NULL, move_all_main, &count) == 0, "pthread_create");
	need(pthread_join(thread, NULL) == 0, "pthread_join");
}

static const struct state {
	const char *name;
	bool claimed;
	void (*between)(uint32_t count);
} states[] = {
	{"free", false, leave_alone},
	{"idle", true, leave_alone},
	{"cold", true, use_caches},
	{"dirty", true, move_all},
	{"elsewhere", true, move_all_elsewhere},
};

static double sweep_once(void)
{
	int64_t start = clock_mono_ns();

	slots_sweep(&slots, clock_boot_ns());
	return (double)(clock_mono_ns() - start);
}

static void measure(const struct state *state, uint32_t count, unsigned rounds)
{
	double *ns = calloc(rounds, sizeof(*ns));

	need(ns != NULL, "out of memory");
	for (unsigned i = 0; i < WARM_UP + rounds; i++) {
		double took;

		state->between(count);
		took = sweep_once();
		if (i >= WARM_UP)
			ns[i - WARM_UP] = took / count;
	}
	need(slots.claimed == (state->claimed ? count : 0), "the sweep saw other slots than were claimed");
	printf("{\"ns\": [");
	for (unsigned i = 0; i < rounds; i++)
		printf("%s%.2f", i ? ", " : "", ns[i]);
	printf("]}\n");
	free(ns);
}

int main(int argc, char **argv)
{
	const struct state *state = NULL;
	uint32_t count;
	int notebook_fd;

	need(argc == 4, "SLOTS STATE ROUNDS");
	count = (uint32_t)atoi(argv[1]);
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (strcmp(states[i].name, argv[2]) == 0)
			state = &states[i];
	need(state != NULL, "no such state");
	need(segment_make(&segment, count) == 0, "segment_make");
	notebook_fd = notebook_create(count);
	need(notebook_fd >= 0 && notebook_open(&notebook, notebook_fd) == 0, "notebook");
	need(slots_start(&slots, segment.fd, &notebook) == 0, "slots_start");
	spoil_area = malloc(SPOIL_BYTES);
	need(spoil_area != NULL, "out of memory");
	if (state->claimed)
		claim_all(count);
	measure(state, count, (unsigned)atoi(argv[3]));
	return 0;
}
