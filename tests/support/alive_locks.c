/* SPDX-License-Identifier: Apache-2.0 */
/* build: -pthread */
/*
 * alive_locks SCENE PORT: threads that meet at locks and get on, or wait on purpose, while the main thread answers
 * connections on 127.0.0.1:PORT. SCENE is one of the table at the end.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { AT_ONCE = 50, CONVOY = 64, READERS = 4 };

static pthread_mutex_t hot = PTHREAD_MUTEX_INITIALIZER, robust, inheriting;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static long done;

static void start(void *(*body)(void *), int count)
{
	pthread_t thread;

	while (count-- > 0)
		if (pthread_create(&thread, NULL, body, NULL) == 0)
			pthread_detach(thread);
}

static void *touch(void *unused)
{
	pthread_mutex_lock(&hot);
	done++;
	pthread_mutex_unlock(&hot);
	return unused;
}

/* Threads by the thousand a second, of which none lives long. */
static void *churn(void *unused)
{
	for (;;) {
		pthread_t threads[AT_ONCE];
		int made = 0;

		while (made < AT_ONCE && pthread_create(&threads[made], NULL, touch, NULL) == 0)
			made++;
		while (made > 0)
			pthread_join(threads[--made], NULL);
		usleep(5000);
	}
	return unused;
}

/* Ends as the owner. */
static void *die(void *mutex)
{
	if (pthread_mutex_lock(mutex) == EOWNERDEAD)
		pthread_mutex_consistent(mutex);
	usleep(20000);
	return NULL;
}

/* Whoever comes next is told that the owner has died. */
static void *inherit(void *unused)
{
	for (;;) {
		pthread_t threads[4];

		for (int i = 0; i < 4; i++)
			pthread_create(&threads[i], NULL, die, i % 2 ? &robust : &inheriting);
		for (int i = 0; i < 4; i++)
			pthread_join(threads[i], NULL);
		usleep(100000);
	}
	return unused;
}

/* Readers whose turns overlap: there is always one, so no writer gets in. */
static void *read_on(void *unused)
{
	for (;;) {
		pthread_rwlock_rdlock(&rwlock);
		usleep(50000);
		pthread_rwlock_unlock(&rwlock);
	}
	return unused;
}

static void *write_once(void *unused)
{
	pthread_rwlock_wrlock(&rwlock);
	pthread_rwlock_unlock(&rwlock);
	return unused;
}

static void *starve(void *unused)
{
	for (int i = 0; i < READERS; i++) {
		start(read_on, 1);
		usleep(20000);
	}
	start(write_once, 2);
	return unused;
}

static void *queue_up(void *unused)
{
	for (;;) {
		pthread_mutex_lock(&hot);
		usleep(2000);
		done++;
		pthread_mutex_unlock(&hot);
	}
	return unused;
}

static void *convoy(void *unused)
{
	start(queue_up, CONVOY);
	return unused;
}

static void make(pthread_mutex_t *mutex, int protocol)
{
	pthread_mutexattr_t attributes;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutexattr_setprotocol(&attributes, protocol);
	pthread_mutex_init(mutex, &attributes);
}

static void serve(int listener)
{
	for (;;) {
		struct pollfd wait = {.fd = listener, .events = POLLIN};
		int fd;

		if (poll(&wait, 1, -1) != 1)
			continue;
		fd = accept(listener, NULL, NULL);
		if (fd >= 0) {
			(void)!send(fd, "hello\n", 6, MSG_NOSIGNAL); /* the peer may be gone */
			close(fd);
		}
	}
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void *(*body)(void *);
	} scenes[] = {{"churn", churn}, {"inherit", inherit}, {"starve", starve}, {"convoy", convoy}};
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int listener = socket(AF_INET, SOCK_STREAM, 0), yes = 1;

	if (argc != 3)
		return 2;
	address.sin_port = htons((uint16_t)atoi(argv[2]));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(listener, 64) != 0)
		return 1;
	make(&robust, PTHREAD_PRIO_NONE);
	make(&inheriting, PTHREAD_PRIO_INHERIT);
	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++)
		if (strcmp(argv[1], scenes[i].name) == 0)
			start(scenes[i].body, 1);
	serve(listener);
}
