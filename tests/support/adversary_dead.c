/* SPDX-License-Identifier: Apache-2.0 */
/* build: -pthread */
/*
 * adversary_dead SCENE PORT: programs that are stuck for good and do all they can to look alive. Each serves connections
 * on 127.0.0.1:PORT until one says "fault"; SCENE is one of the table at the end.
 */
#include "adversary.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>

enum { CYCLE = 50, POOL = 3, ROOM = 2 };

static pthread_mutex_t locks[CYCLE], lock = PTHREAD_MUTEX_INITIALIZER, orphaned = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER, room = PTHREAD_COND_INITIALIZER, never = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t all_hold;
static pthread_t members[CYCLE];
static int queue[ROOM];	    /* guarded by lock */
static unsigned put, taken; /* guarded by lock */
static unsigned cycle;	    /* how many threads are in it */

/* ---- decoys */

static void on_signal(int number)
{
	(void)number;
}

static void *tick_members(void *unused)
{
	for (;;) {
		for (unsigned i = 0; i < cycle; i++)
			pthread_kill(members[i], SIGUSR1);
		nap(1);
	}
	return unused;
}

static void *spin(void *unused)
{
	for (;;) {
		compute(20);
		sched_yield();
	}
	return unused;
}

/* A timer that does something ten times a second. */
static void *beat(void *unused)
{
	static pthread_mutex_t own = PTHREAD_MUTEX_INITIALIZER;
	int null = open("/dev/null", O_WRONLY);

	for (;;) {
		nap(100);
		pthread_mutex_lock(&own);
		(void)!write(null, "alive\n", 6);
		pthread_mutex_unlock(&own);
	}
	return unused;
}

/* ---- cycles of locks */

static void *take_two(void *number)
{
	unsigned own = (unsigned)(uintptr_t)number;

	pthread_mutex_lock(&locks[own]);
	pthread_barrier_wait(&all_hold);
	pthread_mutex_lock(&locks[(own + 1) % cycle]);
	return NULL;
}

static void lock_in_a_ring(unsigned count)
{
	cycle = count;
	for (unsigned i = 0; i < count; i++)
		pthread_mutex_init(&locks[i], NULL);
	pthread_barrier_init(&all_hold, NULL, count + 1);
	for (unsigned i = 0; i < count; i++)
		pthread_create(&members[i], NULL, take_two, (void *)(uintptr_t)i);
	pthread_barrier_wait(&all_hold);
}

/* Serves until the fault comes; whose connection it was is kept. */
static void serve_until_fault(int listener)
{
	for (;;) {
		int fd = next(listener);

		if (fd < 0)
			continue;
		if (wants_fault(fd))
			return;
		answer(fd);
	}
}

static void signals(int listener)
{
	signal(SIGUSR1, on_signal);
	serve_until_fault(listener);
	lock_in_a_ring(2);
	start(tick_members, 1);
	serve_on(listener);
}

static void ring(int listener)
{
	serve_until_fault(listener);
	lock_in_a_ring(CYCLE);
	serve_on(listener);
}

/* Joins in a ring: the first thread and two more. libc refuses shorter ones. */
static pthread_t joiners[3];

static void *join_next(void *number)
{
	unsigned own = (unsigned)(uintptr_t)number;

	nap(200); /* until all are known */
	pthread_join(joiners[(own + 1) % 3], NULL);
	return NULL;
}

static void joins(int listener)
{
	serve_until_fault(listener);
	joiners[0] = pthread_self();
	for (uintptr_t i = 1; i < 3; i++)
		pthread_create(&joiners[i], NULL, join_next, (void *)i);
	join_next(NULL);
}

/* ---- a pool that is caught as a whole, beside a thread that spins */

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

static void *work(void *unused)
{
	static unsigned count;

	for (;;) {
		int fd = take();

		if (wants_fault(fd)) {
			unsigned own = __atomic_fetch_add(&count, 1, __ATOMIC_RELAXED) % POOL;

			pthread_mutex_lock(&locks[own]);
			pthread_barrier_wait(&all_hold);
			pthread_mutex_lock(&locks[(own + 1) % POOL]);
		}
		answer(fd);
	}
	return unused;
}

static void pool(int listener)
{
	cycle = POOL;
	pthread_barrier_init(&all_hold, NULL, POOL);
	start(work, POOL);
	start(spin, 1);
	for (;;) {
		int fd = next(listener);

		pthread_mutex_lock(&lock);
		while (put - taken == ROOM)
			pthread_cond_wait(&room, &lock);
		queue[put++ % ROOM] = fd;
		pthread_cond_signal(&more);
		pthread_mutex_unlock(&lock);
	}
}

/* ---- loops */

static void wait_for_ever(void)
{
	pthread_mutex_lock(&lock);
	for (;;)
		pthread_cond_wait(&never, &lock);
}

static void heartbeat(int listener)
{
	start(beat, 2);
	serve_until_fault(listener);
	wait_for_ever();
}

/* No call of libc is in it. */
static long raw(long number, long a, long b, long c, long d)
{
#if defined(__x86_64__)
	register long r10 __asm__("r10") = d;
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
	return ret;
#else
	return syscall(number, a, b, c, d);
#endif
}

static void unwrapped(int listener)
{
	static uint32_t word_of_its_own;

	serve_until_fault(listener);
	for (;;)
		raw(SYS_futex, (long)&word_of_its_own, FUTEX_WAIT_PRIVATE, 0, 0);
}

/* A loop that polls and takes nothing any more, as a flag says. */
static void deaf(int listener)
{
	serve_until_fault(listener);
	for (;;) {
		struct pollfd wait = {.fd = listener, .events = POLLIN};

		poll(&wait, 1, 10);
	}
}

/* Writes to its own child, which waits for what never comes. */
static void child(int listener)
{
	static const char text[65536];
	int to[2], back[2];

	if (pipe(to) != 0 || pipe(back) != 0)
		exit(1);
	if (fork() == 0) {
		char byte;

		close(to[1]);
		for (;;)
			(void)!read(back[0], &byte, 1);
	}
	serve_until_fault(listener);
	for (;;)
		(void)!write(to[1], text, sizeof(text));
}

/* ---- a lock whose owner is gone, and whose owner's number belongs to another thread since */

static void *die_owning(void *tid)
{
	*(int *)tid = gettid();
	pthread_mutex_lock(&orphaned);
	return NULL;
}

static void *live_on(void *tid)
{
	*(int *)tid = gettid();
	for (;;)
		nap(50);
	return NULL;
}

static bool next_is(int tid)
{
	FILE *last = fopen("/proc/sys/kernel/ns_last_pid", "w");
	bool good = last && fprintf(last, "%d", tid - 1) > 0;

	return last && fclose(last) == 0 && good;
}

static void *bear_namesake(void *dead)
{
	int born = 0, tid = *(int *)dead;
	pthread_t thread;

	nap(4000); /* until all has been seen */
	while (born != tid) {
		born = 0;
		if (!next_is(tid) || pthread_create(&thread, NULL, live_on, &born) != 0)
			exit(1);
		while (!__atomic_load_n(&born, __ATOMIC_RELAXED))
			nap(1);
	}
	puts("reused");
	fflush(stdout);
	nap(1000000000);
	return NULL;
}

/* Wants a pid namespace of its own. */
static void reused(int listener)
{
	static int dead;
	pthread_t thread;

	serve_until_fault(listener);
	pthread_create(&thread, NULL, die_owning, &dead);
	pthread_join(thread, NULL);
	pthread_create(&thread, NULL, bear_namesake, &dead);
	pthread_mutex_lock(&orphaned);
}

int main(int argc, char **argv)
{
	static const struct scene scenes[] = {
		{"signals", signals}, {"ring", ring}, {"joins", joins}, {"pool", pool}, {"heartbeat", heartbeat},
		{"unwrapped", unwrapped}, {"deaf", deaf}, {"child", child}, {"reused", reused},
	};

	return play(scenes, sizeof(scenes) / sizeof(scenes[0]), argc, argv);
}
