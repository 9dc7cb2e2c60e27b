/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/reload.h"

#include <stdatomic.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"

#define LOOK_EVERY_NS NS_PER_SECOND

static atomic_bool requested; /* atomic: writers http threads, reader the sampler */

static int64_t looked; /* owner: the sampler */

void reload_request(void)
{
	atomic_store(&requested, true);
}

static bool file_changed(const struct fleet *fleet, int64_t now)
{
	if (!fleet->common.settings.config[0] || (looked && now - looked < LOOK_EVERY_NS))
		return false;
	looked = now;
	return settings_file_changed(fleet->common.settings.config); /* also since the supervisor read it, at the start */
}

static void take_over(struct fleet *fleet)
{
	struct service_common *common = &fleet->common;
	struct settings next = common->settings;
	int ret = settings_reload(&common->settings, &next, common->config_error, sizeof(common->config_error));

	if (ret < 0) {
		log_event(LOG_LEVEL_ERROR, "config", "configuration not taken over: %s", common->config_error);
	} else {
		common->config_error[0] = '\0';
		common->settings = next;
		log_event(LOG_LEVEL_INFO, "config", "configuration read again");
	}
	fleet_note(fleet, EVENT_CONFIG, "", ret < 0 ? "refused" : "taken", common->settings.config);
	fleet_configure(fleet, ret == 0);
}

void reload_tick(struct fleet *fleet, int64_t now)
{
	bool changed = file_changed(fleet, now);

	if (!atomic_exchange(&requested, false) && !changed)
		return;
	take_over(fleet);
}
