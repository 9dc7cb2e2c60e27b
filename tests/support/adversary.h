/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the programs of the adversary share: ways to serve connections, and threads. A program has a table of scenes,
 * each of which serves on a listener and never returns.
 */
#ifndef ADVERSARY_H
#define ADVERSARY_H

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct scene {
	const char *name;
	void (*play)(int listener);
};

static const char *word = ""; /* the third one */

static inline void start(void *(*body)(void *), int count)
{
	pthread_t thread;

	while (count-- > 0)
		if (pthread_create(&thread, NULL, body, NULL) == 0)
			pthread_detach(thread);
}

static inline void nap(long ms)
{
	struct timespec time = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&time, NULL);
}

static inline void compute(long ms)
{
	struct timespec now, end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += ms / 1000;
	end.tv_nsec += ms % 1000 * 1000000;
	do {
		for (volatile int i = 0; i < 100000; i++)
			;
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec < end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec));
}

static inline void answer(int fd)
{
	(void)!send(fd, "hello\n", 6, MSG_NOSIGNAL); /* the peer may be gone */
	close(fd);
}

/* The next connection of a loop. */
static inline int next(int listener)
{
	struct pollfd wait = {.fd = listener, .events = POLLIN};

	return poll(&wait, 1, -1) == 1 ? accept(listener, NULL, NULL) : -1;
}

/* True: the client wants the fault. */
static inline bool wants_fault(int fd)
{
	char line[16] = "";

	return recv(fd, line, sizeof(line) - 1, 0) > 0 && strncmp(line, "fault", 5) == 0;
}

static inline void serve_on(int listener)
{
	for (;;) {
		int fd = next(listener);

		if (fd >= 0)
			answer(fd);
	}
}

static inline int listen_at(const char *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
	int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 64))
		exit(1);
	return fd;
}

static inline int play(const struct scene *scenes, size_t count, int argc, char **argv)
{
	if (argc < 3)
		return 64;
	word = argc > 3 ? argv[3] : word;
	for (size_t i = 0; i < count; i++)
		if (strcmp(argv[1], scenes[i].name) == 0)
			scenes[i].play(listen_at(argv[2]));
	return 64;
}

#endif
