/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishing is one exchange of a pointer, a grace period and a free, in one function; reading is a
 * dereference between two urcu calls. Writers wait for readers, readers for nobody.
 *
 * Threads: one publisher; any number of readers. Failure: liburcu aborts when it cannot work at all.
 */
#include "state/snapshot.h"

#include <pthread.h>
#include <stdlib.h>

#include <urcu/urcu-memb.h>

#if defined(__SANITIZE_THREAD__) /* the sanitizer does not see through liburcu's membarrier(2) */
#include <sanitizer/tsan_interface.h>
#define READ_ENDS_BEFORE(address) __tsan_release(address)
#define READS_ENDED(address) __tsan_acquire(address)
#else
#define READ_ENDS_BEFORE(address) ((void)(address))
#define READS_ENDED(address) ((void)(address))
#endif

static struct snapshot *published;               /* rcu: published by snapshot_publish */
static int64_t last_beat;                        /* atomic: writer sampler, readers handlers */
static void (*destroy_rendered)(void *rendered); /* immutable after snapshot_on_free */
static pthread_key_t registration;               /* immutable after make_key; its destructor unregisters */
static pthread_once_t key_made = PTHREAD_ONCE_INIT;
static __thread bool registered;

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
	free(old);
}

void snapshot_publish(struct snapshot *next)
{
	struct snapshot *old =
		__atomic_exchange_n(&published, next, __ATOMIC_ACQ_REL); /* pairs with snapshot_hold */

	if (!old)
		return;
	urcu_memb_synchronize_rcu();
	READS_ENDED(&published);
	destroy(old);
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

struct snapshot *snapshot_hold(void)
{
	urcu_memb_read_lock();
	return __atomic_load_n(&published, __ATOMIC_ACQUIRE); /* pairs with the exchange of snapshot_publish */
}

void snapshot_release(void)
{
	READ_ENDS_BEFORE(&published);
	urcu_memb_read_unlock();
}
