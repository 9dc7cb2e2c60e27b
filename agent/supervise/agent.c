/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent process: a tick on an absolute beat, the supervisor's news in between.
 * Threads: this is the sampler; serve runs its own. Failure: a segment or notebook that cannot be used ends
 * the process; the supervisor starts another, after a crash loop a bare one.
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "serve/serve.h"
#include "base/child.h"
#include "watch/dependencies.h"
#include "watch/fleet.h"
#include "watch/maintenance.h"
#include "watch/reload.h"

/* A tick later than this was not ours to judge: the machine or we were not running. */
#define LATE_NS (100 * NS_PER_MS)

#define PROBER_PAUSE_NS (20 * NS_PER_MS)

/* How long a new agent waits to hear of all services; the supervisor's patience is 2 s. */
#define INTRODUCTION_NS NS_PER_SECOND
enum { INTRODUCTION_POLL_MS = 50 };

enum { EXIT_BROKEN = 70 }; /* EX_SOFTWARE of sysexits(3) */

static struct fleet fleet; /* owner: the sampler; too large for a stack */

/* The descriptors of a message, -1 where there is none. */
static void take_descriptors(struct msghdr *message, int fds[FLEET_FDS])
{
	for (struct cmsghdr *at = CMSG_FIRSTHDR(message); at; at = CMSG_NXTHDR(message, at)) {
		size_t bytes = at->cmsg_len - CMSG_LEN(0);

		if (at->cmsg_level == SOL_SOCKET && at->cmsg_type == SCM_RIGHTS)
			memcpy(fds, CMSG_DATA(at), bytes < FLEET_FDS * sizeof(int) ? bytes : FLEET_FDS * sizeof(int));
	}
}

/* 1 = taken, 0 = the supervisor is gone, else -errno. */
static int take_message(int fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(FLEET_FDS * sizeof(int))];
	} control;
	struct supervisor_news news;
	struct iovec part = {&news, sizeof(news)};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	int fds[FLEET_FDS] = {-1, -1};
	ssize_t got = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (got <= 0)
		return got < 0 ? -errno : 0;
	take_descriptors(&message, fds);
	if (got == (ssize_t)sizeof(news) && news.version == SUPERVISOR_NEWS_VERSION)
		fleet_take_news(&fleet, &news, fds);
	return 1;
}

/* False when the supervisor is gone. */
static bool take_news(int fd)
{
	int ret;

	while ((ret = take_message(fd)) > 0 || ret == -EINTR)
		;
	return ret == -EAGAIN;
}

static int64_t tick_ns(void)
{
	return (int64_t)(fleet.common.settings.liveness.sample_seconds * (double)NS_PER_SECOND);
}

/* Waits until `due` or until there is news to act on. False when the supervisor is gone. */
static bool wait_until(int64_t due, int news_fd)
{
	/* what the prober says is told at once, but a flood of it makes only a few ticks more */
	int64_t earliest = clock_boot_ns() + PROBER_PAUSE_NS;
	struct pollfd waits[] = {{.fd = news_fd, .events = POLLIN}, {.fd = fleet_wakes(&fleet), .events = POLLIN}};

	for (int64_t now = clock_boot_ns(); now < due; now = clock_boot_ns()) {
		bool pause = now < earliest && earliest < due;
		int64_t left = (pause ? earliest : due) - now;
		struct timespec timeout = {left / NS_PER_SECOND, left % NS_PER_SECOND};

		if (ppoll(waits, pause ? 1 : 2, &timeout, NULL) <= 0)
			continue;
		return take_news(news_fd); /* drain or the end of COMMAND: tell it now, not at the next tick */
	}
	return true;
}

static void count_overrun(int64_t due, int64_t now)
{
	if (now - due > LATE_NS)
		fleet_count_overrun(&fleet);
}

static void run_ticks(const struct child_setup *setup)
{
	int64_t due = clock_boot_ns();

	while (wait_until(due, setup->news_fd)) {
		int64_t now = clock_boot_ns();

		count_overrun(due, now);
		reload_tick(&fleet, now);
		fleet_tick(&fleet, now);
		if (now >= due)
			due = now - due > LATE_NS ? now + tick_ns() : due + tick_ns();
	}
	if (fleet_is_over(&fleet))
		fleet_tick(&fleet, clock_boot_ns()); /* the end of the news came right behind: say it still */
}

/* By an HTTP thread. */
static void maintain(int64_t seconds)
{
	maintenance_ask(seconds < 0 ? INT64_MAX : seconds == 0 ? 0 : clock_boot_ns() + seconds * NS_PER_SECOND);
}

static int serve_snapshots(const struct child_setup *setup)
{
	struct serve_setup serve = {
		.listeners = setup->listeners,
		.listener_count = setup->listener_count,
		.details = setup->settings.details,
		.debug = setup->settings.debug,
		.log_requests = setup->settings.log_requests,
		.tick_ns = tick_ns(),
		.request_counters = fleet_counters(&fleet),
		.on_reload = reload_request,
		.on_maintenance = maintain,
		.on_suspect = dependencies_suspect,
	};

	_Static_assert((int)SERVE_COUNTERS <= (int)NOTEBOOK_COUNTERS, "the notebook keeps all request counters");
	return serve_start(&serve);
}

/* The first answer must know every service: a 404 in between would be a lie. */
static void hear_of_all(const struct child_setup *setup)
{
	int64_t until = clock_boot_ns() + INTRODUCTION_NS;
	struct pollfd news = {.fd = setup->news_fd, .events = POLLIN};

	(void)take_news(setup->news_fd);
	while (setup->many && !fleet.introduced && clock_boot_ns() < until) {
		if (poll(&news, 1, INTRODUCTION_POLL_MS) > 0 && !take_news(setup->news_fd))
			return;
	}
}

int agent_main(const struct child_setup *setup)
{
	int ret = fleet_start(&fleet, setup);

	if (ret < 0) {
		log_event(LOG_LEVEL_ERROR, "agent", "the agent cannot use its shared memory: %s", strerror(-ret));
		return EXIT_BROKEN;
	}
	hear_of_all(setup);
	fleet_tick(&fleet, clock_boot_ns()); /* the first answer is a judged one */
	ret = serve_snapshots(setup);
	if (ret < 0) {
		log_event(LOG_LEVEL_ERROR, "agent", "the agent cannot serve: %s", strerror(-ret));
		return EXIT_BROKEN;
	}
	run_ticks(setup);
	fleet_end_recording(&fleet);
	serve_stop();
	return 0;
}
