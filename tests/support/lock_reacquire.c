/* SPDX-License-Identifier: Apache-2.0 */
/* build: -pthread */
/* A deadlock inside of pthread_cond_wait: who is woken wants the mutex back, and holds what its owner wants. */
#include <pthread.h>
#include <unistd.h>

static pthread_mutex_t journal = PTHREAD_MUTEX_INITIALIZER, accounts = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t news = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t both;

static void *is_woken(void *unused)
{
	pthread_mutex_lock(&accounts);
	pthread_mutex_lock(&journal);
	pthread_barrier_wait(&both);
	pthread_cond_wait(&news, &journal);
	return unused;
}

static void *wakes(void *unused)
{
	pthread_barrier_wait(&both);
	pthread_mutex_lock(&journal); /* had when the other one waits */
	pthread_cond_signal(&news);
	pthread_mutex_lock(&accounts);
	return unused;
}

int main(void)
{
	pthread_t threads[2];

	if (pthread_barrier_init(&both, NULL, 2) != 0 || pthread_create(&threads[0], NULL, is_woken, NULL) != 0 ||
		pthread_create(&threads[1], NULL, wakes, NULL) != 0)
		return 1;
	for (;;)
		(void)pause();
}
