/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One loop a wrapped call: what the call costs, measured by the program that makes it. bench.py runs it
 * bare, bare again and below `lifesign run`, and asks all three in turn.
 *   calls LOOP            says what it is, then obeys lines of stdin: "N" = that many turns, timed
 *   calls LOOP --count N  that many turns and out: for callgrind
 * A new loop is one row of the table at the end.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static sem_t semaphore;
static bool partners_turn; /* guarded by mutex */
static int zero_fd, event_fd, link_fds[2];

static void need(bool done, const char *what)
{
	if (done)
		return;
	perror(what);
	exit(1);
}

static void *park(void *unused)
{
	(void)unused;
	for (;;)
		(void)pause(); /* a signal is no reason to end */
	return NULL;
}

/* From the first second thread on libc locks with bus-locked instructions. */
static void become_threaded(void)
{
	pthread_t thread;

	need(pthread_create(&thread, NULL, park, NULL) == 0, "pthread_create");
}

static void run_mutex(unsigned long turns)
{
	while (turns--) {
		pthread_mutex_lock(&mutex);
		pthread_mutex_unlock(&mutex);
	}
}

static void run_rwlock(unsigned long turns)
{
	while (turns--) {
		pthread_rwlock_rdlock(&rwlock);
		pthread_rwlock_unlock(&rwlock);
	}
}

static void prepare_semaphore(void)
{
	need(sem_init(&semaphore, 0, 0) == 0, "sem_init");
}

static void run_semaphore(unsigned long turns)
{
	while (turns--) {
		sem_post(&semaphore);
		sem_wait(&semaphore);
	}
}

static void open_zero(void)
{
	zero_fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	need(zero_fd >= 0, "/dev/zero");
}

static void run_read(unsigned long turns)
{
	char byte;

	while (turns--)
		need(read(zero_fd, &byte, 1) == 1, "read");
}

/* Both ends of a TCP connection over loopback: what one sends is there for the other when send returns. */
static void open_link(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	need(bind(listener, (struct sockaddr *)&address, length) == 0 && listen(listener, 1) == 0, "listen");
	need(getsockname(listener, (struct sockaddr *)&address, &length) == 0, "getsockname");
	link_fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	need(connect(link_fds[0], (struct sockaddr *)&address, length) == 0, "connect");
	link_fds[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	need(link_fds[1] >= 0, "accept4");
	(void)close(listener); /* nothing was written to it */
}

static void run_poll(unsigned long turns)
{
	struct pollfd one = {.fd = link_fds[0], .events = POLLIN};

	while (turns--)
		need(poll(&one, 1, 0) == 0, "poll");
}

static void open_epoll(void)
{
	struct epoll_event event = {.events = EPOLLIN};

	open_link();
	event_fd = epoll_create1(EPOLL_CLOEXEC);
	need(epoll_ctl(event_fd, EPOLL_CTL_ADD, link_fds[0], &event) == 0, "epoll_ctl");
}

static void run_epoll(unsigned long turns)
{
	struct epoll_event event;

	while (turns--)
		need(epoll_wait(event_fd, &event, 1, 0) == 0, "epoll_wait");
}

static void run_send_recv(unsigned long turns)
{
	char byte = 0;

	while (turns--) {
		need(send(link_fds[0], &byte, 1, 0) == 1, "send");
		need(recv(link_fds[1], &byte, 1, 0) == 1, "recv");
	}
}

static void *pong(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&mutex);
	for (;;) {
		while (!partners_turn)
			pthread_cond_wait(&cond, &mutex);
		partners_turn = false;
		pthread_cond_signal(&cond);
	}
	return NULL;
}

static void start_partner(void)
{
	pthread_t thread;

	need(pthread_create(&thread, NULL, pong, NULL) == 0, "pthread_create");
}

static void run_ping_pong(unsigned long turns)
{
	while (turns--) {
		pthread_mutex_lock(&mutex);
		partners_turn = true;
		pthread_cond_signal(&cond);
		while (partners_turn)
			pthread_cond_wait(&cond, &mutex);
		pthread_mutex_unlock(&mutex);
	}
}

static void *end_at_once(void *unused)
{
	return unused;
}

static void run_thread(unsigned long turns)
{
	pthread_t thread;

	while (turns--) {
		need(pthread_create(&thread, NULL, end_at_once, NULL) == 0, "pthread_create");
		need(pthread_join(thread, NULL) == 0, "pthread_join");
	}
}

static void run_fork(unsigned long turns)
{
	while (turns--) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		need(pid > 0 && waitpid(pid, NULL, 0) == pid, "fork");
	}
}

/* A child that does something: it becomes a process of the service. */
static void run_fork_call(unsigned long turns)
{
	while (turns--) {
		pid_t pid = fork();

		if (pid == 0) {
			(void)poll(NULL, 0, 0);
			_exit(0);
		}
		need(pid > 0 && waitpid(pid, NULL, 0) == pid, "fork");
	}
}

static void run_spawn(unsigned long turns)
{
	char name[] = "/bin/true";
	char *arguments[] = {name, NULL};
	pid_t pid;

	while (turns--) {
		need(posix_spawn(&pid, name, NULL, NULL, arguments, environ) == 0, "posix_spawn");
		need(waitpid(pid, NULL, 0) == pid, "waitpid");
	}
}

static const struct loop {
	const char *name;
	void (*run)(unsigned long turns);
	void (*prepare)(void);
	bool threaded; /* a second thread exists, as in most services */
} loops[] = {
	{"mutex_single", run_mutex, NULL, false},
	{"mutex_threaded", run_mutex, NULL, true},
	{"rwlock", run_rwlock, NULL, true},
	{"semaphore", run_semaphore, prepare_semaphore, true},
	{"read", run_read, open_zero, true},
	{"poll", run_poll, open_link, true},
	{"epoll_wait", run_epoll, open_epoll, true},
	{"send_recv", run_send_recv, open_link, true},
	{"ping_pong", run_ping_pong, start_partner, true},
	{"thread", run_thread, NULL, false},
	{"fork", run_fork, NULL, false},
	{"fork_call", run_fork_call, NULL, false},
	{"spawn", run_spawn, NULL, false},
};

static const struct loop *find(const char *name)
{
	for (size_t i = 0; i < sizeof(loops) / sizeof(loops[0]); i++)
		if (strcmp(loops[i].name, name) == 0)
			return &loops[i];
	fprintf(stderr, "no loop '%s'\n", name);
	exit(64);
}

static bool is_shimmed(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	bool found = false;

	need(maps != NULL, "/proc/self/maps");
	while (fgets(line, sizeof(line), maps))
		found = found || strstr(line, "/liblifesign.so");
	(void)fclose(maps); /* only read */
	return found;
}

static long long now_ns(void)
{
	struct timespec now;

	need(clock_gettime(CLOCK_MONOTONIC, &now) == 0, "clock_gettime");
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

int main(int argc, char **argv)
{
	const struct loop *loop = find(argc > 1 ? argv[1] : "");
	char line[32];

	if (loop->threaded)
		become_threaded();
	if (loop->prepare)
		loop->prepare();
	printf("{\"loop\": \"%s\", \"pid\": %d, \"shim\": %s}\n", loop->name, getpid(), is_shimmed() ? "true" : "false");
	(void)fflush(stdout); /* whoever reads it notices */
	if (argc > 3) {
		loop->run(strtoul(argv[3], NULL, 10));
		return 0;
	}
	while (fgets(line, sizeof(line), stdin)) {
		unsigned long turns = strtoul(line, NULL, 10);
		long long start = now_ns();

		loop->run(turns);
		printf("{\"turns\": %lu, \"ns\": %lld}\n", turns, now_ns() - start);
		(void)fflush(stdout);
	}
	return 0;
}
