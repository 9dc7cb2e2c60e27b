/* SPDX-License-Identifier: Apache-2.0 */
/* build: -pthread musl */
/*
 * knot_threads SCENE [ticking]: threads that wait for each other for ever, or look as if they did; the table at
 * its end names them. With `ticking` a handler of signals interrupts each of them every 100 ms. Prints "ready"
 * when all have begun; they wait soon after.
 */
#include <link.h>
#include <poll.h>

#include "knot_stage.h"

static pthread_mutex_t accounts = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t catalogue = PTHREAD_RWLOCK_INITIALIZER, shelves = PTHREAD_RWLOCK_INITIALIZER;
static pthread_once_t tables_made = PTHREAD_ONCE_INIT;

/* One row a thread: what it takes, then what it wants while both have theirs. */
static void start_two(void *(*one)(void *), void *(*other)(void *))
{
	pthread_barrier_init(&both, NULL, 2);
	start(one);
	start(other);
}

#define TAKES(name, take, want)                                                                                \
	static void *name(void *unused)                                                                        \
	{                                                                                                      \
		tick();                                                                                        \
		take;                                                                                          \
		pthread_barrier_wait(&both);                                                                   \
		want;                                                                                          \
		return unused;                                                                                 \
	}

/* ---- mutexes of each kind, read-write locks */

TAKES(poster, pthread_mutex_lock(&journal), pthread_mutex_lock(&accounts))
TAKES(rotator, pthread_mutex_lock(&accounts), pthread_mutex_lock(&journal))
TAKES(editor, pthread_rwlock_wrlock(&catalogue), pthread_rwlock_rdlock(&shelves))
TAKES(porter, pthread_rwlock_wrlock(&shelves), pthread_rwlock_wrlock(&catalogue))
TAKES(keeper, pthread_rwlock_wrlock(&catalogue), pthread_mutex_lock(&journal))
TAKES(writer, pthread_mutex_lock(&journal), pthread_rwlock_rdlock(&catalogue))

static void of_kind(int type, int robust, int protocol)
{
	init_kind(&journal, type, robust, protocol);
	init_kind(&accounts, type, robust, protocol);
	start_two(poster, rotator);
}

static void normal(void)
{
	start_two(poster, rotator);
}

static void recursive(void)
{
	of_kind(PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_NONE);
}

static void errorcheck(void)
{
	of_kind(PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_NONE);
}

/* One of them gives up after an hour. */
static int lock_for_an_hour(void)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += 3600;
	return pthread_mutex_timedlock(&accounts, &end);
}

TAKES(patient, pthread_mutex_lock(&journal), lock_for_an_hour())

static void timed(void)
{
	start_two(patient, rotator);
}

static void robust(void)
{
	of_kind(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_NONE);
}

static void rwlocks(void)
{
	start_two(editor, porter);
}

static void rwlock_mutex(void)
{
	start_two(keeper, writer);
}

/* Locked by one and unlocked by another, as a semaphore is: main waits for its own mutex, again and again. */
static void *gives(void *unused)
{
	for (;;) {
		(void)poll(NULL, 0, 1500);
		pthread_mutex_unlock(&journal);
	}
	return unused;
}

static void semaphore(void)
{
	pthread_mutex_lock(&journal);
	start(gives);
	ready();
	for (;;)
		pthread_mutex_lock(&journal);
}

/* The same where nobody is left who could give it. */
static void alone(void)
{
	ready();
	tick();
	pthread_mutex_lock(&journal);
	pthread_mutex_lock(&journal);
}

/* Who had it wants what its heir's next one has: for a moment everybody seems to wait for everybody, and
 * somebody else has it already. */
static pthread_mutex_t baton = PTHREAD_MUTEX_INITIALIZER;
static volatile bool given;

static void *gives_and_wants(void *unused)
{
	for (;;) {
		pthread_mutex_lock(&baton);
		pthread_barrier_wait(&both);
		(void)poll(NULL, 0, 2200);
		given = true;
		pthread_mutex_unlock(&baton);
		pthread_mutex_lock(&accounts);
		pthread_mutex_unlock(&accounts);
		pthread_barrier_wait(&both);
	}
	return unused;
}

static void *wants_and_has(void *unused)
{
	for (;;) {
		pthread_mutex_lock(&accounts);
		pthread_barrier_wait(&both);
		pthread_mutex_lock(&baton);
		pthread_mutex_unlock(&baton);
		pthread_mutex_unlock(&accounts);
		pthread_barrier_wait(&both);
	}
	return unused;
}

static void *snatches(void *unused)
{
	for (;;) {
		while (!given)
			(void)poll(NULL, 0, 1);
		while (pthread_mutex_trylock(&baton) != 0)
			;
		given = false;
		(void)poll(NULL, 0, 1300);
		pthread_mutex_unlock(&baton);
	}
	return unused;
}

static void batons(void)
{
	start(snatches);
	start_two(gives_and_wants, wants_and_has);
}

/* ---- pthread_once */

static void make_with_journal(void)
{
	pthread_barrier_wait(&both);
	pthread_mutex_lock(&journal);
}

static void make_again(void)
{
	pthread_once(&tables_made, make_again);
}

static void make_slowly(void)
{
	for (;;)
		(void)poll(NULL, 0, 1000);
}

static void *makes(void *unused)
{
	tick();
	pthread_once(&tables_made, make_with_journal);
	return unused;
}

static void *makes_slowly(void *unused)
{
	pthread_once(&tables_made, make_slowly);
	return unused;
}

static void *makes_again(void *unused)
{
	tick();
	pthread_once(&tables_made, make_again);
	return unused;
}

TAKES(uses, pthread_mutex_lock(&journal), pthread_once(&tables_made, make_slowly))

static void once(void)
{
	start_two(makes, uses);
}

static void once_again(void)
{
	start(makes_again);
}

static void once_slowly(void)
{
	start(makes_slowly);
	start(makes_slowly);
}

/* ---- locks of the C library itself: in no call that the shim sees */

static FILE *ledger, *report;
TAKES(clerk, flockfile(ledger), fputc('x', report))
TAKES(auditor, flockfile(report), fputc('x', ledger))

TAKES(scribe, flockfile(ledger), fputs("line", report)) /* one character would be fputc */
TAKES(reader, flockfile(report), flockfile(ledger))

static void open_books(void)
{
	ledger = fopen("ledger", "w");
	report = fopen("report", "w");
	if (!ledger || !report)
		exit(1);
}

static void streams(void)
{
	open_books();
	start_two(clerk, auditor);
}

/* The same in calls that the shim sees. */
static void stream_calls(void)
{
	open_books();
	start_two(scribe, reader);
}

static int for_each_object(struct dl_phdr_info *info, size_t bytes, void *wait)
{
	(void)info;
	(void)bytes;
	if (wait)
		pthread_barrier_wait(&both);
	return wait ? pthread_mutex_lock(&journal) : 0;
}

static void *lists(void *unused)
{
	tick();
	dl_iterate_phdr(for_each_object, &both);
	return unused;
}

TAKES(unwinds, pthread_mutex_lock(&journal), dl_iterate_phdr(for_each_object, NULL))

static void loader(void)
{
	start_two(lists, unwinds);
}

static const struct scene scenes[] = {{"normal", normal}, {"recursive", recursive}, {"errorcheck", errorcheck},
	{"robust", robust}, {"timed", timed}, {"rwlocks", rwlocks}, {"rwlock_mutex", rwlock_mutex},
	{"semaphore", semaphore}, {"batons", batons}, {"alone", alone}, {"once", once},
	{"once_again", once_again}, {"once_slowly", once_slowly}, {"streams", streams},
	{"stream_calls", stream_calls}, {"loader", loader}};

int main(int argc, char **argv)
{
	return play(scenes, sizeof(scenes) / sizeof(scenes[0]), argc, argv);
}
