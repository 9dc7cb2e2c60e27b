/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishing is one exchange of a pointer; what it replaced waits for the tick's one grace period; reading is
 * a dereference between two urcu calls. Writers wait for readers, readers for nobody.
 *
 * Threads: one publisher; any number of readers. Failure: liburcu aborts when it cannot work at all.
 * Memory: a seat that was closed is freed with the snapshots of its tick.
 */
#include "state/snapshot.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <urcu/urcu-memb.h>

#if defined(__SANITIZE_THREAD__) /* the sanitizer does not see through liburcu's membarrier(2) */
#include <sanitizer/tsan_interface.h>
static char grace; /* an address of its own: an atomic store to it would wipe out what readers left there */
#define READ_ENDS() __tsan_release(&grace)
#define READS_ENDED() __tsan_acquire(&grace)
#else
#define READ_ENDS() ((void)0)
#define READS_ENDED() ((void)0)
#endif

enum { SEAT_NAME = 64, BUCKETS = 1024 };

struct snapshot_seat {
	char name[SEAT_NAME];         /* immutable */
	uint32_t hash;                /* immutable: of name */
	struct snapshot *published;   /* rcu: by snapshot_publish; NULL until the first */
	struct snapshot_seat *next;   /* rcu: the list of all, in the order of coming */
	struct snapshot_seat *behind; /* rcu: the next of its bucket */
	struct snapshot_seat *retired;
};

static struct snapshot_seat *seats;            /* rcu: the first of the list */
static struct snapshot_seat *buckets[BUCKETS]; /* rcu: by hash */
static struct snapshot *root;                  /* rcu: published by snapshot_publish_root */
static unsigned shown;                         /* atomic: seats that something was published at */

/* What readers may still see. owner: the sampler */
static struct snapshot *retired_snapshots;
static struct snapshot_seat *retired_seats;

static int64_t last_beat;                        /* atomic: writer sampler, readers handlers */
static void (*destroy_rendered)(void *rendered); /* immutable after snapshot_on_free */
static pthread_key_t registration;               /* immutable after make_key; its destructor unregisters */
static pthread_once_t key_made = PTHREAD_ONCE_INIT;
static __thread bool registered;

const char *snapshot_event_reason(const struct snapshot_event *event)
{
	if (!event->reason)
		return NULL;
	if (event->what == EVENT_DEPENDENCY)
		return probe_error_text((enum probe_error)event->reason);
	return reason_text((enum reason_code)event->reason);
}

struct snapshot *snapshot_new(unsigned processes, unsigned threads)
{
	size_t process_bytes = processes * sizeof(struct snapshot_process);
	size_t thread_bytes = threads * sizeof(struct snapshot_thread);
	struct snapshot *made = calloc(1, sizeof *made + process_bytes + thread_bytes);

	if (!made)
		return NULL;
	made->threads = (struct snapshot_thread *)(made + 1);
	made->processes = (struct snapshot_process *)((char *)(made + 1) + thread_bytes);
	made->process_count = processes;
	made->thread_count = threads;
	return made;
}

static void destroy(struct snapshot *old)
{
	for (unsigned i = 0; i < SNAPSHOT_RENDERED; i++) {
		void *rendered =
			__atomic_load_n(&old->rendered[i], __ATOMIC_ACQUIRE); /* pairs with serve's exchange */

		if (rendered && destroy_rendered)
			destroy_rendered(rendered);
	}
	free(old->dependencies);
	free(old);
}

/* Acquire and release pair the sampler's stores with what handlers follow. */
#define SHOW(place, value) __atomic_store_n(&(place), value, __ATOMIC_RELEASE)
#define FOLLOW(place) __atomic_load_n(&(place), __ATOMIC_ACQUIRE)

static uint32_t hash_name(const char *name, size_t length)
{
	uint32_t hash = UINT32_C(2166136261); /* FNV-1a */

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)name[i]) * UINT32_C(16777619);
	return hash;
}

static struct snapshot_seat *find(const char *name, size_t length)
{
	uint32_t hash = hash_name(name, length);

	for (struct snapshot_seat *seat = FOLLOW(buckets[hash % BUCKETS]); seat; seat = FOLLOW(seat->behind)) {
		if (seat->hash == hash && strlen(seat->name) == length && memcmp(seat->name, name, length) == 0)
			return seat;
	}
	return NULL;
}

static bool was_closed_just_now(const char *name)
{
	const struct snapshot_seat *seat = retired_seats;

	while (seat && strcmp(seat->name, name) != 0)
		seat = seat->retired;
	return seat;
}

/* A reader that came past a closed seat must not meet its name again further on: such readers are waited for. */
struct snapshot_seat *snapshot_seat_open(const char *name)
{
	size_t length = strlen(name);
	struct snapshot_seat *seat, **end = &seats;

	if (length == 0 || length >= SEAT_NAME || find(name, length))
		return NULL;
	if (was_closed_just_now(name))
		snapshot_settle();
	seat = calloc(1, sizeof *seat);
	if (!seat)
		return NULL;
	memcpy(seat->name, name, length);
	seat->hash = hash_name(name, length);
	seat->behind = buckets[seat->hash % BUCKETS];
	while (*end)
		end = &(*end)->next;
	SHOW(buckets[seat->hash % BUCKETS], seat);
	SHOW(*end, seat);
	return seat;
}

/* A reader may stand on it: its own pointers stay until the grace period is over. */
void snapshot_seat_close(struct snapshot_seat *seat)
{
	struct snapshot_seat **place = &seats;

	while (*place != seat)
		place = &(*place)->next;
	SHOW(*place, seat->next);
	place = &buckets[seat->hash % BUCKETS];
	while (*place != seat)
		place = &(*place)->behind;
	SHOW(*place, seat->behind);
	if (seat->published)
		__atomic_sub_fetch(&shown, 1, __ATOMIC_RELEASE);
	seat->retired = retired_seats;
	retired_seats = seat;
}

static void retire(struct snapshot *old)
{
	if (!old)
		return;
	old->retired = retired_snapshots;
	retired_snapshots = old;
}

void snapshot_publish(struct snapshot_seat *seat, struct snapshot *next)
{
	struct snapshot *old = seat->published;

	SHOW(seat->published, next);
	if (!old)
		__atomic_add_fetch(&shown, 1, __ATOMIC_RELEASE);
	retire(old);
}

void snapshot_publish_root(struct snapshot *next)
{
	struct snapshot *old = root;

	SHOW(root, next);
	retire(old);
}

void snapshot_settle(void)
{
	if (!retired_snapshots && !retired_seats)
		return;
	urcu_memb_synchronize_rcu();
	READS_ENDED();
	while (retired_seats) {
		struct snapshot_seat *seat = retired_seats;

		retired_seats = seat->retired;
		if (seat->published)
			destroy(seat->published);
		free(seat);
	}
	while (retired_snapshots) {
		struct snapshot *old = retired_snapshots;

		retired_snapshots = old->retired;
		destroy(old);
	}
}

void snapshot_on_free(void (*function)(void *rendered))
{
	destroy_rendered = function;
}

void snapshot_beat(int64_t boot_ns)
{
	__atomic_store_n(&last_beat, boot_ns, __ATOMIC_RELAXED); /* a number on its own: orders nothing */
}

int64_t snapshot_last_beat(void)
{
	return __atomic_load_n(&last_beat, __ATOMIC_RELAXED);
}

static void end_thread(void *unused)
{
	(void)unused; /* any value but NULL: it only makes the destructor run */
	snapshot_reader_leave();
}

static void make_key(void)
{
	if (pthread_key_create(&registration, end_thread) != 0)
		abort(); /* a thread that ended registered would be waited for in freed memory */
}

void snapshot_reader_enter(void)
{
	if (registered)
		return;
	(void)pthread_once(&key_made, make_key); /* fails for an invalid control only */
	if (pthread_setspecific(registration, &registered) != 0)
		abort(); /* as in make_key */
	urcu_memb_register_thread();
	registered = true;
}

void snapshot_reader_leave(void)
{
	if (!registered)
		return;
	registered = false;
	urcu_memb_unregister_thread();
}

void snapshot_hold(void)
{
	urcu_memb_read_lock();
}

void snapshot_release(void)
{
	READ_ENDS();
	urcu_memb_read_unlock();
}

struct snapshot_seat *snapshot_next(const struct snapshot_seat *seat)
{
	struct snapshot_seat *next = seat ? FOLLOW(seat->next) : FOLLOW(seats);

	while (next && !FOLLOW(next->published))
		next = FOLLOW(next->next);
	return next;
}

struct snapshot *snapshot_at(const struct snapshot_seat *seat)
{
	return FOLLOW(seat->published);
}

struct snapshot *snapshot_root(void)
{
	struct snapshot_seat *only = __atomic_load_n(&shown, __ATOMIC_ACQUIRE) == 1 ? snapshot_next(NULL) : NULL;

	return only ? snapshot_at(only) : FOLLOW(root);
}

struct snapshot *snapshot_whole(void)
{
	return FOLLOW(root);
}

struct snapshot *snapshot_find(const char *name, size_t length)
{
	struct snapshot_seat *seat = find(name, length);

	return seat ? snapshot_at(seat) : NULL;
}
