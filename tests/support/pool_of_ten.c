/* SPDX-License-Identifier: Apache-2.0 */
/* build: -pthread */
/* A pool of ten threads: two take two locks in opposite orders and never come back, eight go on. */
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

static pthread_mutex_t locks[2] = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER};
static pthread_barrier_t both;

static void *works(void *number)
{
	intptr_t i = (intptr_t)number;

	if (i < 2) {
		pthread_mutex_lock(&locks[i]);
		pthread_barrier_wait(&both);
		pthread_mutex_lock(&locks[1 - i]);
	}
	for (;;)
		(void)poll(NULL, 0, 100);
	return NULL;
}

int main(void)
{
	if (pthread_barrier_init(&both, NULL, 2) != 0)
		return 1;
	for (intptr_t i = 0; i < 10; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, works, (void *)i) != 0)
			return 1;
	}
	for (;;)
		(void)poll(NULL, 0, 200);
}
