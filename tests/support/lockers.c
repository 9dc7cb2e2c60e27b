/* SPDX-License-Identifier: Apache-2.0 */
/* build: -pthread */
/* A program whose waits are known: main holds a mutex and a rwlock for ever, `waiter` waits for the mutex, `writer`
 * for the rwlock, `sleeper` sleeps, `idler` waits on a condition, `receiver` on a socket. Prints "ready" and waits. */
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER, idle_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int sockets[2];

static void *waiter(void *name)
{
	pthread_setname_np(pthread_self(), name);
	pthread_mutex_lock(&mutex);
	return NULL;
}

static void *writer(void *name)
{
	pthread_setname_np(pthread_self(), name);
	pthread_rwlock_wrlock(&rwlock);
	return NULL;
}

static void *sleeper(void *name)
{
	pthread_setname_np(pthread_self(), name);
	sleep(100000);
	return NULL;
}

static void *idler(void *name)
{
	pthread_setname_np(pthread_self(), name);
	pthread_mutex_lock(&idle_mutex);
	pthread_cond_wait(&condition, &idle_mutex);
	return NULL;
}

static void *receiver(void *name)
{
	char byte;

	pthread_setname_np(pthread_self(), name);
	recv(sockets[0], &byte, 1, 0);
	return NULL;
}

static void *spinner(void *name)
{
	volatile unsigned long turns = 0;

	pthread_setname_np(pthread_self(), name);
	for (;;)
		turns++;
	return NULL;
}

int main(int argc, char **argv)
{
	void *(*const bodies[])(void *) = {waiter, writer, sleeper, idler, receiver, spinner};
	static char names[][16] = {"waiter", "writer", "sleeper", "idler", "receiver", "spinner"};
	unsigned count = argc > 1 && argv[1][0] == 's' ? 6 : 5;

	pthread_mutex_lock(&mutex);
	pthread_rwlock_wrlock(&rwlock);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) < 0)
		return 1;
	for (unsigned i = 0; i < count; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, bodies[i], names[i]) != 0)
			return 1;
	}
	puts("ready");
	fflush(stdout);
	pause();
	return 0;
}
