/* SPDX-License-Identifier: Apache-2.0 */
/* What programs of knots share: who is interrupted by a clock, who says that all have begun, and the table of
 * scenes. */
#ifndef LS_KNOT_STAGE_H
#define LS_KNOT_STAGE_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id /* glibc before 2.40 */
#define sigev_notify_thread_id _sigev_un._tid
#endif

static pthread_mutex_t journal = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t both;
static bool ticking;

static void on_tick(int number)
{
	(void)number;
}

/* From here on a handler runs on this thread ten times a second, and what it interrupts goes on afterwards. */
static void tick(void)
{
	struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};
	struct itimerspec every = {{0, 100000000}, {0, 100000000}};
	timer_t timer;

	if (!ticking)
		return;
	event.sigev_notify_thread_id = gettid();
	if (sigaction(SIGUSR1, &action, NULL) < 0 || timer_create(CLOCK_MONOTONIC, &event, &timer) < 0 ||
		timer_settime(timer, 0, &every, NULL) < 0)
		exit(1);
}

static void ready(void)
{
	puts("ready");
	fflush(stdout);
}

static void start(void *(*body)(void *))
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, body, NULL) != 0)
		exit(1);
}

static void init_kind(pthread_mutex_t *mutex, int type, int robust, int protocol)
{
	pthread_mutexattr_t attributes;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(&attributes, type);
	pthread_mutexattr_setrobust(&attributes, robust);
	pthread_mutexattr_setprotocol(&attributes, protocol);
	pthread_mutex_init(mutex, &attributes);
}

struct scene {
	const char *name;
	void (*play)(void);
};

static int play(const struct scene *scenes, unsigned count, int argc, char **argv)
{
	ticking = argc > 2;
	for (unsigned i = 0; argc > 1 && i < count; i++) {
		if (strcmp(scenes[i].name, argv[1]) != 0)
			continue;
		scenes[i].play();
		ready();
		pause();
		return 0;
	}
	return 64;
}

#endif
