/* SPDX-License-Identifier: Apache-2.0 */
/* build: musl -pthread -Wno-unused-result */
/*
 * shim_storms threads|forks|exits|mixed COUNT: makes and ends so many threads or children, each of which makes
 * a wrapped call; prints a sum that every one of them has a part in, then "done" and waits for a line. exits:
 * children that end by exit() instead of _exit(); mixed: of fork, _Fork and clone in turn, while 63 threads of
 * the parent make calls.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef __GLIBC_PREREQ
#define __GLIBC_PREREQ(major, minor) 0 /* musl */
#endif

enum { MAKERS = 4, AT_ONCE = 8, CALLERS = 63 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long sum, count;
static char byte_;

static void *live(void *number)
{
	pthread_mutex_lock(&lock);
	sum += (long)number % 7;
	pthread_mutex_unlock(&lock);
	return number;
}

static void *make_threads(void *unused)
{
	pthread_t thread;

	for (long i = 0; i < count / MAKERS; i++) {
		void *result;

		if (pthread_create(&thread, NULL, live, (void *)i) || pthread_join(thread, &result) ||
			result != (void *)i)
			abort();
	}
	return unused;
}

static void threads(void)
{
	pthread_t makers[MAKERS];

	for (int i = 0; i < MAKERS; i++)
		pthread_create(&makers[i], NULL, make_threads, NULL);
	for (int i = 0; i < MAKERS; i++)
		pthread_join(makers[i], NULL);
}

static void reap(void)
{
	int status;

	if (wait(&status) < 0 || !WIFEXITED(status))
		abort();
	sum += WEXITSTATUS(status);
}

enum way { BY_UNDERSCORE_EXIT, BY_EXIT, IN_TURN };

static pid_t make_child(long i, enum way way)
{
	if (way != IN_TURN || i % 3 == 0)
		return fork();
#if __GLIBC_PREREQ(2, 34)
	if (i % 3 == 1)
		return _Fork();
#endif
	return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static void *keep_calling(void *unused)
{
	for (;;) {
		pthread_mutex_lock(&lock);
		pthread_mutex_unlock(&lock);
		poll(NULL, 0, 1);
	}
	return unused;
}

static void forks(enum way way)
{
	pthread_t thread;

	for (int i = 0; way == IN_TURN && i < CALLERS; i++)
		pthread_create(&thread, NULL, keep_calling, NULL);
	for (long i = 0; i < count; i++) {
		pid_t child = make_child(i, way);

		if (child == 0) {
			int status = poll(NULL, 0, 0) == 0 ? (int)(i % 7) : 99;

			if (way == BY_EXIT)
				exit(status);
			_exit(status);
		}
		if (i >= AT_ONCE)
			reap();
	}
	for (int i = 0; i < AT_ONCE; i++)
		reap();
}

int main(int words, char **arguments)
{
	if (words != 3)
		return 64;
	count = atol(arguments[2]);
	if (strcmp(arguments[1], "threads") == 0)
		threads();
	else
		forks(strcmp(arguments[1], "exits") == 0     ? BY_EXIT
			: strcmp(arguments[1], "mixed") == 0 ? IN_TURN
							     : BY_UNDERSCORE_EXIT);
	printf("%ld done\n", sum);
	fflush(stdout);
	(void)!read(0, &byte_, 1);
	_exit(0);
}
