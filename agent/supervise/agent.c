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
#include "watch/history.h"
#include "watch/reload.h"
#include "watch/service.h"

/* A tick later than this was not ours to judge: the machine or we were not running. */
#define LATE_NS (100 * NS_PER_MS)

enum { EXIT_BROKEN = 70 }; /* EX_SOFTWARE of sysexits(3) */

static struct service service; /* owner: the sampler; too large for a stack */

/* False when the supervisor is gone. */
static bool take_news(int fd)
{
	struct supervisor_news news;
	ssize_t got;

	while ((got = recv(fd, &news, sizeof(news), MSG_DONTWAIT)) == (ssize_t)sizeof(news)) {
		if (news.version == SUPERVISOR_NEWS_VERSION)
			service.news = news;
	}
	return got != 0 && (got > 0 || errno == EAGAIN || errno == EINTR);
}

static int64_t tick_ns(void)
{
	return (int64_t)(service.settings.liveness.sample_seconds * (double)NS_PER_SECOND);
}

/* Waits until `due` or until there is news to act on. False when the supervisor is gone. */
static bool wait_until(int64_t due, int news_fd)
{
	struct pollfd news = {.fd = news_fd, .events = POLLIN};

	for (int64_t left = due - clock_boot_ns(); left > 0; left = due - clock_boot_ns()) {
		struct timespec timeout = {left / NS_PER_SECOND, left % NS_PER_SECOND};

		if (ppoll(&news, 1, &timeout, NULL) <= 0)
			continue;
		return take_news(news_fd); /* drain or the end of COMMAND: tell it now, not at the next tick */
	}
	return true;
}

static void count_overrun(int64_t due, int64_t now)
{
	if (now - due > LATE_NS)
		service.notebook.core.overruns++;
}

static void run_ticks(const struct child_setup *setup)
{
	int64_t due = clock_boot_ns();

	while (wait_until(due, setup->news_fd)) {
		int64_t now = clock_boot_ns();

		count_overrun(due, now);
		reload_tick(&service, now);
		service_tick(&service, now);
		if (now >= due)
			due = now - due > LATE_NS ? now + tick_ns() : due + tick_ns();
	}
	if (service.news.main_ended)
		service_tick(&service, clock_boot_ns()); /* the end of the news came right behind: say it still */
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
		.request_counters = service.notebook.head->counters,
		.on_reload = reload_request,
	};

	_Static_assert((int)SERVE_COUNTERS <= (int)NOTEBOOK_COUNTERS, "the notebook keeps all request counters");
	return serve_start(&serve);
}

int agent_main(const struct child_setup *setup)
{
	int ret = service_start(&service, setup);

	if (ret < 0) {
		log_event(LOG_LEVEL_ERROR, "agent", "the agent cannot use its shared memory: %s", strerror(-ret));
		return EXIT_BROKEN;
	}
	if (setup->restarts)
		history_note(&service, EVENT_AGENT, "restarted", setup->bare ? "bare" : "full", "");
	(void)take_news(setup->news_fd);
	service_tick(&service, clock_boot_ns()); /* the first answer is a judged one */
	ret = serve_snapshots(setup);
	if (ret < 0) {
		log_event(LOG_LEVEL_ERROR, "agent", "the agent cannot serve: %s", strerror(-ret));
		return EXIT_BROKEN;
	}
	run_ticks(setup);
	serve_stop();
	return 0;
}
