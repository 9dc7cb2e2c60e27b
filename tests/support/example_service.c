/* SPDX-License-Identifier: Apache-2.0 */
/* build: musl -pthread */
/*
 * A small service that tells lifesign more than the shim can see; it runs the same without. A thread works
 * on numbers that come as lines of stdin, and says: this is a piece of work, I am getting on, so much waits.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <lifesign.h>

enum { MOST = 64 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned long jobs[MOST]; /* guarded by lock */
static int waiting, ended;       /* guarded by lock */

static unsigned long count_primes(unsigned long below)
{
	unsigned long found = 0;

	for (unsigned long n = 2; n < below; n++) {
		unsigned long divisor = 2;

		while (divisor * divisor <= n && n % divisor)
			divisor++;
		found += divisor * divisor > n;
		if (n % 1000 == 0)
			lifesign_beat(); /* no call that waits in here: say that it goes on */
	}
	return found;
}

static int take(unsigned long *job)
{
	pthread_mutex_lock(&lock);
	while (!waiting && !ended)
		pthread_cond_wait(&changed, &lock);
	int taken = waiting > 0;

	if (taken)
		*job = jobs[--waiting];
	lifesign_queue_depth(waiting);
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	return taken;
}

static void *work(void *unused)
{
	unsigned long job;

	while (take(&job)) {
		lifesign_work_begin("primes");
		printf("%lu primes below %lu\n", count_primes(job), job);
		fflush(stdout);
		lifesign_work_end();
	}
	return unused;
}

static void put(unsigned long job)
{
	pthread_mutex_lock(&lock);
	while (waiting == MOST)
		pthread_cond_wait(&changed, &lock);
	jobs[waiting++] = job;
	lifesign_queue_depth(waiting);
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

int main(void)
{
	char line[64];
	pthread_t worker;

	if (pthread_create(&worker, NULL, work, NULL))
		return 1;
	while (fgets(line, sizeof(line), stdin))
		put(strtoul(line, NULL, 10));
	pthread_mutex_lock(&lock);
	ended = 1;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	pthread_join(worker, NULL);
	return 0;
}
