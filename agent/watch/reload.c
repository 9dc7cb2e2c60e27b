/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/reload.h"

#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "watch/history.h"

#define LOOK_EVERY_NS NS_PER_SECOND

static atomic_bool requested; /* atomic: writers http threads, reader the sampler */

/* What the file was when it was last read. owner: the sampler */
static struct stat last;
static int64_t looked;

void reload_request(void)
{
	atomic_store(&requested, true);
}

static bool file_changed(const struct service *service, int64_t now)
{
	struct stat status;
	bool first = !looked;

	if (!service->settings.config[0] || (looked && now - looked < LOOK_EVERY_NS))
		return false;
	looked = now;
	if (stat(service->settings.config, &status) < 0)
		return false; /* being replaced, or gone: what was read stays */
	if (status.st_mtim.tv_sec == last.st_mtim.tv_sec && status.st_mtim.tv_nsec == last.st_mtim.tv_nsec &&
		status.st_ino == last.st_ino && status.st_size == last.st_size)
		return false;
	last = status;
	return !first;
}

static void take_over(struct service *service)
{
	struct settings next = service->settings;
	int ret = settings_reload(&service->settings, &next, service->config_error, sizeof(service->config_error));

	service->notebook.core.config_generation++;
	if (ret < 0) {
		log_event(LOG_LEVEL_ERROR, "config", "configuration not taken over: %s", service->config_error);
		history_note(service, EVENT_CONFIG, "", "refused", service->settings.config);
		return;
	}
	service->config_error[0] = '\0';
	service->settings = next;
	service_configure(service);
	log_event(LOG_LEVEL_INFO, "config", "configuration read again");
	history_note(service, EVENT_CONFIG, "", "taken", service->settings.config);
}

void reload_tick(struct service *service, int64_t now)
{
	bool changed = file_changed(service, now);

	if (!atomic_exchange(&requested, false) && !changed)
		return;
	take_over(service);
	service->published = 0; /* tell at once */
}
