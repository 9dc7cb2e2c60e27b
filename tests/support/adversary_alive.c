/* SPDX-License-Identifier: Apache-2.0 */
/* build: -pthread */
/*
 * adversary_alive SCENE PORT [WORD]: programs that look as dead as can be and are not: none may ever be called dead.
 * Here: loops and pools, each of which serves connections on 127.0.0.1:PORT after its own fashion. SCENE is one of the
 * table at the end. Locks, slots and threads: adversary_locks.c.
 */
#include "adversary.h"

#include <linux/futex.h>
#include <semaphore.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { ROOM = 2, POOL = 3 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER, room = PTHREAD_COND_INITIALIZER;
static int queue[ROOM];	    /* guarded by lock */
static unsigned put, taken; /* guarded by lock */
static sem_t slots;

/* ---- loops */

/* Naps a little each time, and once a hundred times as long. */
static void naps(int listener)
{
	for (unsigned turn = 1;; turn++) {
		int fd = next(listener);

		if (fd < 0)
			continue;
		nap(turn % 20 ? 30 : 3000);
		answer(fd);
	}
}

/* One connection at a time, three seconds each, while others wait. */
static void slowly(int listener)
{
	for (;;) {
		int fd = next(listener);

		if (fd < 0)
			continue;
		nap(3000);
		answer(fd);
	}
}

/* Computes for as long, for each. */
static void computing(int listener)
{
	for (;;) {
		int fd = next(listener);

		if (fd < 0)
			continue;
		compute(3000);
		answer(fd);
	}
}

/* A second listener that is paused on purpose, with clients of its own. */
static void paused(int listener)
{
	(void)listen_at(word);
	serve_on(listener);
}

/* A process that keeps the listener for whoever comes after, and never takes from it. */
static void spare(int listener)
{
	if (fork() == 0)
		for (;;)
			pause();
	serve_on(listener);
}

/* The same the other way round: the parent only keeps it. */
static void keeper(int listener)
{
	if (fork() == 0)
		serve_on(listener);
	for (;;)
		wait(NULL);
}

static int connect_to(const char *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		exit(1);
	return fd;
}

/* Clients have sent half of what they want; nobody reads it, as the loop waits for whom it asks itself. */
static void halves(int listener)
{
	for (;;) {
		int fd = next(listener), below;
		char byte;

		if (fd < 0)
			continue;
		below = connect_to(word);
		(void)!recv(below, &byte, 1, 0);
		close(below);
		answer(fd);
	}
}

/* ---- pools; room for few connections between the loop and them */

static int take(void)
{
	int fd;

	pthread_mutex_lock(&lock);
	while (put == taken)
		pthread_cond_wait(&more, &lock);
	fd = queue[taken++ % ROOM];
	pthread_cond_signal(&room);
	pthread_mutex_unlock(&lock);
	return fd;
}

static void give(int fd)
{
	pthread_mutex_lock(&lock);
	while (put - taken == ROOM)
		pthread_cond_wait(&room, &lock);
	queue[put++ % ROOM] = fd;
	pthread_cond_signal(&more);
	pthread_mutex_unlock(&lock);
}

static void serve_by(void *(*body)(void *), int listener)
{
	start(body, POOL);
	for (;;) {
		int fd = next(listener);

		if (fd >= 0)
			give(fd);
	}
}

static void *compute_long(void *unused)
{
	for (;;) {
		int fd = take();

		if (wants_fault(fd))
			compute(15000);
		answer(fd);
	}
	return unused;
}

static void jobs(int listener)
{
	serve_by(compute_long, listener);
}

static void *sleep_long(void *unused)
{
	for (;;) {
		int fd = take();

		if (wants_fault(fd))
			nap(15000);
		answer(fd);
	}
	return unused;
}

static void sleepers(int listener)
{
	serve_by(sleep_long, listener);
}

/* Waits with limits, made anew for ever, for what never comes. */
static void *wait_again(void *unused)
{
	static uint32_t never;

	for (;;) {
		const struct timespec limit = {0, 700000000};

		syscall(SYS_futex, &never, FUTEX_WAIT_PRIVATE, 0, &limit, NULL, 0);
	}
	return unused;
}

static void rearmed(int listener)
{
	start(wait_again, POOL);
	serve_on(listener);
}

/* As many clients as there may be are served; they say nothing for long, and the next must wait until one leaves. */
static void *keep_client(void *fd)
{
	char byte;

	while (recv((int)(intptr_t)fd, &byte, 1, 0) > 0)
		(void)!send((int)(intptr_t)fd, &byte, 1, MSG_NOSIGNAL); /* the peer may be gone */
	close((int)(intptr_t)fd);
	sem_post(&slots);
	return NULL;
}

static void house(int listener)
{
	sem_init(&slots, 0, 4);
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		pthread_t thread;

		if (fd >= 0 && pthread_create(&thread, NULL, keep_client, (void *)(intptr_t)fd) == 0)
			pthread_detach(thread);
		sem_wait(&slots);
	}
}

/* The same with one loop that carries all clients. */
static int handed[2];

static void *carry(void *unused)
{
	struct pollfd set[16] = {{.fd = handed[0], .events = POLLIN}};
	nfds_t count = 1;

	for (;;) {
		char byte;

		poll(set, count, -1);
		for (nfds_t i = count; i-- > 1;) {
			if (!set[i].revents)
				continue;
			if (recv(set[i].fd, &byte, 1, 0) > 0 && send(set[i].fd, &byte, 1, MSG_NOSIGNAL) > 0)
				continue;
			close(set[i].fd);
			set[i] = set[--count];
			sem_post(&slots);
		}
		if (set[0].revents && read(handed[0], &set[count].fd, sizeof(int)) == sizeof(int))
			set[count++].events = POLLIN;
	}
	return unused;
}

static void carried(int listener)
{
	if (pipe(handed) != 0)
		exit(1);
	sem_init(&slots, 0, 4);
	start(carry, 1);
	for (;;) {
		int fd = next(listener);

		if (fd >= 0)
			(void)!write(handed[1], &fd, sizeof(fd));
		sem_wait(&slots);
	}
}

int main(int argc, char **argv)
{
	static const struct scene scenes[] = {
		{"naps", naps}, {"slowly", slowly}, {"computing", computing}, {"paused", paused}, {"spare", spare},
		{"keeper", keeper}, {"halves", halves}, {"jobs", jobs}, {"sleepers", sleepers}, {"rearmed", rearmed},
		{"house", house}, {"carried", carried},
	};

	return play(scenes, sizeof(scenes) / sizeof(scenes[0]), argc, argv);
}
