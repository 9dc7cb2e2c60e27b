/* SPDX-License-Identifier: Apache-2.0 */
/* build: musl */
/*
 * tiny_server PORT [WORKERS]: says "hello" to each connection on 127.0.0.1:PORT. The main thread polls and accepts,
 * workers wait on a condition for connections to answer. TERM ends it with 0.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { QUEUE = 64, WORKERS_MOST = 64 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;
static int queue[QUEUE]; /* guarded by lock */
static unsigned put, taken; /* guarded by lock */
static volatile sig_atomic_t ending;

static void end(int number)
{
	(void)number;
	ending = 1;
}

static int take(void)
{
	int fd;

	pthread_mutex_lock(&lock);
	while (put == taken)
		pthread_cond_wait(&more, &lock);
	fd = queue[taken++ % QUEUE];
	pthread_mutex_unlock(&lock);
	return fd;
}

static void *worker_main(void *unused)
{
	for (;;) {
		int fd = take();

		(void)!send(fd, "hello\n", 6, MSG_NOSIGNAL); /* the peer may be gone */
		close(fd);
	}
	return unused;
}

static void give(int fd)
{
	pthread_mutex_lock(&lock);
	if (put - taken < QUEUE) {
		queue[put++ % QUEUE] = fd;
		fd = -1;
	}
	pthread_cond_signal(&more);
	pthread_mutex_unlock(&lock);
	if (fd >= 0)
		close(fd);
}

static int listen_at(const char *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
	int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 64)) {
		perror("tiny_server: cannot listen");
		exit(1);
	}
	return fd;
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = end};
	struct pollfd door = {.events = POLLIN};
	int workers = argc > 2 ? atoi(argv[2]) : 3;
	pthread_t thread;

	if (argc < 2)
		return 64;
	sigaction(SIGTERM, &action, NULL);
	door.fd = listen_at(argv[1]);
	for (int i = 0; i < workers && i < WORKERS_MOST; i++)
		pthread_create(&thread, NULL, worker_main, NULL);
	while (!ending) {
		if (poll(&door, 1, -1) > 0)
			give(accept(door.fd, NULL, NULL));
	}
	puts("ended");
	return 0;
}
