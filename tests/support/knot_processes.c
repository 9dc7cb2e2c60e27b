/* SPDX-License-Identifier: Apache-2.0 */
/* build: -pthread musl */
/*
 * knot_processes SCENE [ticking]: processes of one service that wait for each other for ever, or look as if
 * they did; the table at its end names them. With `ticking` a handler of signals interrupts their main threads
 * every 100 ms. Prints "ready" before they wait.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "knot_stage.h"

struct shared {
	pthread_mutex_t first, second;
	pthread_barrier_t both;
};
static struct shared *shared;

static int lock_file(const char *path, bool whole_file)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || ((whole_file ? flock(fd, LOCK_EX) : fcntl(fd, F_SETLKW, &lock)) < 0 && errno != EDEADLK))
		exit(1);
	return fd;
}

static void share(void)
{
	pthread_mutexattr_t attributes;
	pthread_barrierattr_t barrier;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE); /* musl knows who has it */
	pthread_barrierattr_init(&barrier);
	pthread_barrierattr_setpshared(&barrier, PTHREAD_PROCESS_SHARED);
	if (shared == MAP_FAILED || pthread_mutex_init(&shared->first, &attributes) ||
		pthread_mutex_init(&shared->second, &attributes) ||
		pthread_barrier_init(&shared->both, &barrier, 2))
		exit(1);
}

/* Parent and child: what the one does while the other does the other thing. */
static pid_t fork_two(void)
{
	pid_t child;

	share();
	ready();
	child = fork();
	if (child < 0)
		exit(1);
	tick();
	return child;
}

static void meet(void)
{
	pthread_barrier_wait(&shared->both);
}

static void shared_mutexes(void)
{
	bool parent = fork_two();

	pthread_mutex_lock(parent ? &shared->first : &shared->second);
	meet();
	pthread_mutex_lock(parent ? &shared->second : &shared->first);
}

static void flocks(void)
{
	bool parent = fork_two();

	lock_file(parent ? "first" : "second", true);
	meet();
	lock_file(parent ? "second" : "first", true);
}

static void flock_twice(void)
{
	ready();
	tick();
	lock_file("first", true);
	lock_file("first", true);
}

/* The kernel sees this one coming. */
static void fcntls(void)
{
	bool parent = fork_two();

	lock_file(parent ? "first" : "second", false);
	meet();
	lock_file(parent ? "second" : "first", false);
	for (;;)
		(void)poll(NULL, 0, 1000);
}

static void fcntl_mutex(void)
{
	if (fork_two()) {
		lock_file("first", false);
		meet();
		pthread_mutex_lock(&shared->first);
	} else {
		pthread_mutex_lock(&shared->first);
		meet();
		lock_file("first", false);
	}
}

static void child_fcntl(void)
{
	pid_t child = fork_two();

	if (child) {
		lock_file("first", false);
		meet();
		waitpid(child, NULL, 0);
	} else {
		meet();
		lock_file("first", false);
	}
}

/* Whoever inherits the open file can unlock it, too. */
static void flock_inherited(void)
{
	pid_t child;

	lock_file("first", true);
	if (fork() == 0)
		for (;;)
			(void)poll(NULL, 0, 1000);
	child = fork_two();
	if (child)
		waitpid(child, NULL, 0);
	else
		lock_file("first", true);
}

/* A child that has a thread that goes on. */
static void *goes_on(void *unused)
{
	for (;;)
		(void)poll(NULL, 0, 1000);
	return unused;
}

static void child_goes_on(void)
{
	pid_t child;

	pthread_mutex_lock(&journal);
	child = fork_two();
	if (child)
		waitpid(child, NULL, 0);
	start(goes_on);
	pthread_mutex_lock(&journal);
}

/* The lock of a thread that does not exist in the child. */
static void *keeps(void *unused)
{
	pthread_mutex_lock(&journal);
	pthread_barrier_wait(&both);
	return goes_on(unused);
}

static pid_t fork_with_lock(void)
{
	pid_t child;

	init_kind(&journal, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_NONE);
	pthread_barrier_init(&both, NULL, 2);
	start(keeps);
	pthread_barrier_wait(&both);
	child = fork_two();
	if (!child)
		pthread_mutex_lock(&journal);
	return child;
}

static void inherited(void)
{
	fork_with_lock();
	for (;;)
		(void)poll(NULL, 0, 1000);
}

static void inherited_waited_for(void)
{
	waitpid(fork_with_lock(), NULL, 0);
}

static void any_child(void)
{
	if (fork_two())
		wait(NULL);
	pthread_mutex_lock(&journal);
	pthread_mutex_lock(&journal);
}

/* alarm() before it is how people give waitpid a limit. */
static void alarm_before(void)
{
	struct sigaction action = {.sa_handler = on_tick};
	pid_t child = fork_two();

	if (child) {
		sigaction(SIGALRM, &action, NULL);
		alarm(3600);
		waitpid(child, NULL, 0);
	}
	pthread_mutex_lock(&journal);
	pthread_mutex_lock(&journal);
}

static const struct scene scenes[] = {{"shared_mutexes", shared_mutexes}, {"flocks", flocks},
	{"flock_twice", flock_twice}, {"fcntls", fcntls}, {"fcntl_mutex", fcntl_mutex},
	{"child_fcntl", child_fcntl}, {"flock_inherited", flock_inherited}, {"child_goes_on", child_goes_on},
	{"inherited", inherited}, {"inherited_waited_for", inherited_waited_for}, {"any_child", any_child},
	{"alarm_before", alarm_before}};

int main(int argc, char **argv)
{
	return play(scenes, sizeof(scenes) / sizeof(scenes[0]), argc, argv);
}
