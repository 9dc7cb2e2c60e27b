/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts and stops the listeners, and ends the connections that stay too long.
 */
#include "serve/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "serve/answer.h"
#include "serve/http.h"

enum {
	CONNECTIONS_MOST = 1000, /* of one listener, about 5 KB each */
	CONNECTIONS_LEAST = 32,
	DESCRIPTORS_KEPT = 160, /* for everything else that an agent opens */
	REAP_SECONDS = 1,
	BIG_BYTES = 256 * 1024 /* blocks that go back to the kernel as soon as they are free */
};

static struct http_service service;                     /* immutable while a listener is open */
static struct http_listener listeners[CHILD_LISTENERS]; /* owner: who starts and stops */
static uint64_t own_counters[SERVE_COUNTERS];           /* atomic: for a setup without */
static pthread_t reaper;                                /* owner: who starts and stops */
static bool reaper_runs;                                /* owner: who starts and stops */
static pthread_mutex_t end_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t end_comes; /* of CLOCK_MONOTONIC; with end_lock */
static bool end;                 /* guarded by end_lock */

/* Owns nothing; blocks on its clock only; stops when `end` says so. */
static void *reaper_main(void *unused)
{
	struct timespec wake;

	(void)unused;                                              /* everything it needs is in this file */
	(void)pthread_setname_np(pthread_self(), "lifesign-http"); /* a name only */
	pthread_mutex_lock(&end_lock);
	while (!end) {
		int64_t at = clock_mono_ns() + REAP_SECONDS * NS_PER_SECOND;

		wake = (struct timespec){.tv_sec = at / NS_PER_SECOND, .tv_nsec = at % NS_PER_SECOND};
		if (pthread_cond_timedwait(&end_comes, &end_lock, &wake) != ETIMEDOUT)
			continue;
		for (unsigned i = 0; i < service.setup.listener_count; i++)
			(void)guard_reap(&listeners[i].guard, clock_boot_ns()); /* how many is of no interest */
	}
	pthread_mutex_unlock(&end_lock);
	return NULL;
}

static int start_reaper(void)
{
	pthread_condattr_t attributes;
	int ret;

	end = false; /* no other thread yet */
	ret = pthread_condattr_init(&attributes);
	if (ret)
		return -ret;
	(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC); /* exists on every Linux */
	ret = pthread_cond_init(&end_comes, &attributes);
	(void)pthread_condattr_destroy(&attributes); /* cannot fail for a valid one */
	if (ret)
		return -ret;
	ret = pthread_create(&reaper, NULL, reaper_main, NULL);
	reaper_runs = ret == 0;
	return -ret;
}

static void stop_reaper(void)
{
	if (!reaper_runs)
		return;
	pthread_mutex_lock(&end_lock);
	end = true;
	pthread_cond_signal(&end_comes);
	pthread_mutex_unlock(&end_lock);
	(void)pthread_join(reaper, NULL);       /* fails for a thread that does not exist only */
	(void)pthread_cond_destroy(&end_comes); /* nobody waits any more */
	reaper_runs = false;
}

/* Every listener gets the same share of the descriptors that may be opened. */
static unsigned connections_each(unsigned listener_count)
{
	struct rlimit limit;
	rlim_t share;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < DESCRIPTORS_KEPT)
		return CONNECTIONS_LEAST;
	share = (limit.rlim_cur - DESCRIPTORS_KEPT) / (listener_count ? listener_count : 1);
	if (share > CONNECTIONS_MOST)
		return CONNECTIONS_MOST;
	return share < CONNECTIONS_LEAST ? CONNECTIONS_LEAST : (unsigned)share;
}

/* Alive as far as anyone knows, and still starting: what is true before the first sample. */
static struct snapshot *make_nothing_yet(const struct serve_setup *setup)
{
	struct snapshot *made = snapshot_new(0, 0);

	if (!made)
		return NULL;
	(void)snprintf(made->service, sizeof made->service, "%s", setup->service ? setup->service : "");
	(void)snprintf(made->version, sizeof made->version, "%s",
		setup->service_version ? setup->service_version : ""); /* both: cut if too long */
	made->verdict = VERDICT_UNKNOWN;
	made->live.ok = true;
	made->sampled = clock_boot_ns();
	made->wall = clock_wall_ns();
	made->agent_pid = getpid();
	made->ready.reason_count = made->startup.reason_count = 1;
	made->ready.reasons[0] = made->startup.reasons[0] =
		(struct snapshot_reason){.code = REASON_STARTING, .since = made->sampled};
	return made;
}

static void free_nothing_yet(void)
{
	for (unsigned i = 0; service.nothing_yet && i < SNAPSHOT_RENDERED; i++)
		if (service.nothing_yet->rendered[i])
			answer_destroy_rendered(service.nothing_yet->rendered[i]);
	free(service.nothing_yet);
	service.nothing_yet = NULL;
}

static int open_listeners(void)
{
	unsigned connections = connections_each(service.setup.listener_count);

	for (unsigned i = 0; i < service.setup.listener_count; i++) {
		const struct child_listener *on = &service.setup.listeners[i];
		int flags = fcntl(on->fd, F_GETFL);
		int ret;

		/* another agent may take what this one was woken for: accept must not block then */
		if (flags < 0 || fcntl(on->fd, F_SETFL, flags | O_NONBLOCK) < 0)
			return -errno;
		ret = http_open(&listeners[i], &service, on, connections);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int start_threads(void)
{
	int ret = open_listeners();

	return ret < 0 ? ret : start_reaper();
}

int serve_start(const struct serve_setup *setup)
{
	sigset_t all, before;
	int ret;

	if (setup->listener_count > CHILD_LISTENERS)
		return -E2BIG;
	service.setup = *setup;
	service.render = (struct render_setup){.details = setup->details,
		.debug = setup->debug,
		.request_counters = setup->request_counters ? setup->request_counters : own_counters};
	service.nothing_yet = make_nothing_yet(setup);
	if (!service.nothing_yet)
		return -ENOMEM;
	snapshot_on_free(answer_destroy_rendered);
	(void)mallopt(M_MMAP_THRESHOLD, BIG_BYTES); /* else one answer about 8192 threads costs 6 MB for ever */
	(void)sigfillset(&all);                     /* cannot fail */
	(void)pthread_sigmask(
		SIG_BLOCK, &all, &before); /* threads inherit it; cannot fail with these arguments */
	ret = start_threads();
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL); /* as before */
	if (ret < 0)
		serve_stop();
	return ret;
}

void serve_stop(void)
{
	stop_reaper();
	for (unsigned i = 0; i < CHILD_LISTENERS; i++)
		http_close(&listeners[i]);
	free_nothing_yet();
}
