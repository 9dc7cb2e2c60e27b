/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A service of many threads:  crowd THREADS idle|active
 * idle: they wait for what never comes. active: each makes ten calls a second, so that the agent finds
 * every slot changed at every tick. Says "ready" once all of them are there.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { STACK_BYTES = 64 << 10, PERIOD_NS = 100000000 };

static pthread_barrier_t all_there;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static bool active; /* immutable after main */

static void *member_main(void *unused)
{
	const struct timespec period = {.tv_nsec = PERIOD_NS};

	pthread_barrier_wait(&all_there);
	while (active)
		(void)nanosleep(&period, NULL); /* nobody sends signals */
	pthread_mutex_lock(&mutex);
	for (;;)
		pthread_cond_wait(&never, &mutex);
	return unused;
}

int main(int argc, char **argv)
{
	unsigned count = argc == 3 ? (unsigned)atoi(argv[1]) : 0;
	pthread_attr_t small;

	if (count == 0)
		return 64;
	active = strcmp(argv[2], "active") == 0;
	pthread_barrier_init(&all_there, NULL, count + 1);
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, STACK_BYTES);
	for (unsigned i = 0; i < count; i++) {
		pthread_t thread;

		if (pthread_create(&thread, &small, member_main, NULL) != 0)
			return 1;
	}
	pthread_barrier_wait(&all_there);
	puts("ready");
	(void)fflush(stdout); /* whoever reads it notices */
	for (;;)
		(void)pause(); /* ended by a signal */
}
