/* SPDX-License-Identifier: Apache-2.0 */
/* build: -pthread */
/*
 * lock_map W0 W1 …: thread n holds lock n and then wants lock Wn, or none with -1; who gets what he wants gives both
 * back and rests. Whoever is on a way into a cycle never gets there, whatever the order in which they run.
 */
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MOST = 64 };

static pthread_mutex_t locks[MOST];
static pthread_barrier_t all_hold;
static int wants[MOST];

static void *one(void *number)
{
	intptr_t n = (intptr_t)number;
	char name[16];

	(void)snprintf(name, sizeof(name), "t%d", (int)n);
	(void)pthread_setname_np(pthread_self(), name);
	pthread_mutex_lock(&locks[n]);
	pthread_barrier_wait(&all_hold);
	if (wants[n] >= 0) {
		pthread_mutex_lock(&locks[wants[n]]);
		pthread_mutex_unlock(&locks[wants[n]]);
	}
	pthread_mutex_unlock(&locks[n]);
	for (;;)
		(void)poll(NULL, 0, 1000);
	return NULL;
}

int main(int argc, char **argv)
{
	int count = argc - 1;

	if (count < 1 || count > MOST || pthread_barrier_init(&all_hold, NULL, (unsigned)count) != 0)
		return 64;
	for (int i = 0; i < count; i++) {
		wants[i] = atoi(argv[i + 1]);
		if (wants[i] >= count || pthread_mutex_init(&locks[i], NULL) != 0)
			return 64;
	}
	for (intptr_t i = 0; i < count; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, one, (void *)i) != 0)
			return 1;
	}
	for (;;)
		(void)poll(NULL, 0, 1000);
}
