/* SPDX-License-Identifier: Apache-2.0 */
/* build: -pthread */
/*
 * A small service: THREADS threads, each in a loop of waits of PERIOD ms.
 *   small_service THREADS PERIOD
 */
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

static void *rests(void *period)
{
	for (;;)
		(void)poll(NULL, 0, (int)(intptr_t)period);
	return NULL;
}

int main(int argc, char **argv)
{
	int threads = argc > 2 ? atoi(argv[1]) : 1;
	intptr_t period = argc > 2 ? atoi(argv[2]) : 1000;
	pthread_attr_t attributes;

	if (pthread_attr_init(&attributes) != 0 || pthread_attr_setstacksize(&attributes, 65536) != 0)
		return 1;
	for (int i = 1; i < threads; i++) {
		pthread_t thread;

		if (pthread_create(&thread, &attributes, rests, (void *)period) != 0)
			return 2;
	}
	rests((void *)period);
	return 0;
}
