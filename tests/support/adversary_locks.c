/* SPDX-License-Identifier: Apache-2.0 */
/* build: -pthread */
/*
 * adversary_locks SCENE PORT: the same as adversary_alive, with locks, lies and many threads, while connections on
 * 127.0.0.1:PORT are served. SCENE is one of the table at the end.
 */
#include "adversary.h"

#include <stdint.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <lifesign/segment.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER, first = PTHREAD_MUTEX_INITIALIZER, second = PTHREAD_MUTEX_INITIALIZER;

static void *serve_beside(void *listener)
{
	serve_on((int)(intptr_t)listener);
	return NULL;
}

/* ---- locks */

/* At home in a lock, which a timer gives it every few seconds. */
static void *by_lock(void *unused)
{
	for (;;) {
		pthread_mutex_lock(&first);
		pthread_mutex_unlock(&first);
		pthread_mutex_lock(&second);
		pthread_mutex_unlock(&second);
	}
	return unused;
}

static void *by_timer(void *unused)
{
	pthread_mutex_lock(&first);
	for (;;) {
		pthread_mutex_lock(&second);
		pthread_mutex_unlock(&first);
		nap(2500);
		pthread_mutex_lock(&first);
		pthread_mutex_unlock(&second);
		nap(2500);
	}
	return unused;
}

static void timer(int listener)
{
	start(by_timer, 1);
	nap(100);
	start(by_lock, 2);
	serve_on(listener);
}

/* Owners that it writes itself, of threads that are and that are not, into locks that others wait for; only while it
 * has them, as libc takes offence at a free one with an owner. */
static void *hold_long(void *mutex)
{
	for (unsigned i = 0;; i++) {
		pthread_mutex_lock(mutex);
		for (int lies = 0; lies < 40; lies++) {
			int owner = getpid() + (int)((i + (unsigned)lies) % 12);

			__atomic_store_n(&((pthread_mutex_t *)mutex)->__data.__owner, owner, __ATOMIC_RELAXED);
			nap(40);
		}
		pthread_mutex_unlock(mutex);
		nap(1);
	}
	return NULL;
}

static void owners(int listener)
{
	pthread_mutex_t *mutexes[] = {&first, &second};
	pthread_t thread;

	for (int i = 0; i < 8; i++)
		pthread_create(&thread, NULL, hold_long, mutexes[i % 2]);
	serve_on(listener);
}

/* ---- its own slots */

static struct segment_slot *find_slots(uint32_t *count)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	struct segment_header *header = NULL;
	unsigned long from, to;
	char line[512];

	while (maps && !header && fgets(line, sizeof(line), maps))
		if (strstr(line, "memfd:lifesign") && sscanf(line, "%lx-%lx rw-s", &from, &to) == 2)
			header = (struct segment_header *)from;
	if (maps)
		fclose(maps);
	if (!header)
		exit(1);
	*count = header->slot_count;
	return (struct segment_slot *)((char *)header + header->slot_offset);
}

/* Two threads that sleep say that they wait for two locks, of which each has the other as its owner. */
static void *sleep_on(void *tid)
{
	*(uint32_t *)tid = (uint32_t)gettid();
	for (;;)
		nap(100000);
	return NULL;
}

static void *forge(void *unused)
{
	static uint32_t tids[2];
	pthread_mutex_t *mutexes[] = {&first, &second};
	uint32_t count;
	struct segment_slot *all = find_slots(&count);
	pthread_t thread;

	for (int i = 0; i < 2; i++)
		pthread_create(&thread, NULL, sleep_on, &tids[i]);
	for (;; nap(1)) {
		for (int i = 0; i < 2; i++)
			mutexes[i]->__data.__owner = (int)tids[!i], mutexes[i]->__data.__lock = 2;
		for (uint32_t i = 0; i < count; i++) {
			if (!all[i].tid || (all[i].tid != tids[0] && all[i].tid != tids[1]))
				continue;
			__atomic_store_n(&all[i].object, (uint64_t)mutexes[all[i].tid == tids[1]], __ATOMIC_RELAXED);
			__atomic_store_n(&all[i].call, 1, __ATOMIC_RELEASE);
		}
	}
	return unused;
}

static void forgery(int listener)
{
	start(forge, 1);
	serve_on(listener);
}

/* ---- threads and processes */

static void *short_lived(void *unused)
{
	static unsigned count;
	char name[16];

	(void)snprintf(name, sizeof(name), "t%u", __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED));
	prctl(PR_SET_NAME, name);
	pthread_mutex_lock(&lock);
	pthread_mutex_unlock(&lock);
	return unused;
}

static void *churn(void *unused)
{
	for (;;) {
		pthread_t threads[32];

		for (int i = 0; i < 32; i++)
			pthread_create(&threads[i], NULL, short_lived, NULL);
		for (int i = 0; i < 32; i++)
			pthread_join(threads[i], NULL);
		nap(3);
	}
	return unused;
}

static void names(int listener)
{
	start(churn, 1);
	serve_on(listener);
}

/* The first thread begins programs, one after the other. */
static void storm(int listener)
{
	pthread_t beside;

	pthread_create(&beside, NULL, serve_beside, (void *)(intptr_t)listener);
	for (;;) {
		pid_t child = vfork();

		if (child == 0) {
			execl("/bin/true", "true", (char *)NULL);
			_exit(1);
		}
		waitpid(child, NULL, 0);
	}
}

int main(int argc, char **argv)
{
	static const struct scene scenes[] = {
		{"timer", timer}, {"owners", owners}, {"forgery", forgery}, {"names", names}, {"storm", storm},
	};

	return play(scenes, sizeof(scenes) / sizeof(scenes[0]), argc, argv);
}
