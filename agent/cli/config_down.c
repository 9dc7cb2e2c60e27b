/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/config_down.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/dependency_set.h"
#include "base/settings_table.h"
#include "cli/commands.h"
#include "judge/dependencies.h"

/* Everybody is up, long since. */
static void begin(struct dependency_state *states, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		states[i] = (struct dependency_state){.began = 1, .ended = 1, .good = 1, .since = 1, .status = PROBE_UP};
}

static void put_down(struct dependency_state *state)
{
	state->status = PROBE_DOWN;
	state->error = PROBE_TIMEOUT;
	state->failures = UINT32_MAX;
}

static bool needs_down(const struct dependency_set *set, const struct dependency_state *states, const struct dependency *of)
{
	for (unsigned i = 0; i < of->need_count; i++) {
		int need = dependency_set_find(set, of->needs[i]); /* -1: DEPENDENCY_LOOKUP */

		if (need >= 0 && states[need].status == PROBE_DOWN)
			return true;
	}
	return false;
}

/* Who needs one of them cannot be up. Of a chain each round finds the next, at least. */
static void take_down_those_above(const struct dependency_set *set, struct dependency_state *states)
{
	for (unsigned round = 0; round < set->count; round++)
		for (unsigned i = 0; i < set->count; i++)
			if (needs_down(set, states, &set->list[i]))
				put_down(&states[i]);
}

static bool take_down(const struct dependency_set *set, struct dependency_state *states, const char *names)
{
	char text[4096], *rest = text;

	if (strlen(names) >= sizeof(text))
		return false;
	strcpy(text, names); /* fits */
	while (rest) {
		const char *name = strsep(&rest, ",");
		int index = dependency_set_find(set, name);

		if (index < 0) {
			cli_complain("there is no dependency '%s'", name);
			return false;
		}
		put_down(&states[index]);
	}
	take_down_those_above(set, states);
	return true;
}

static void print_one(const struct dependency_set *set, const struct dependency_standing *all, unsigned i, bool open)
{
	const struct dependency_standing *one = &all[i];

	printf("  %s%s %s", one->gates && !open ? "[-]" : "[+]", set->list[i].name, probe_status_text(one->status));
	if (one->error)
		printf(" %s", probe_error_text(one->error));
	if (one->root >= 0)
		printf(" because of %s", set->list[one->root].name);
	if (one->covered)
		printf(" (enough of group %s are up)", set->list[i].group_name);
	printf("\n");
}

static void print(const struct dependency_set *set, const struct dependency_standing *all, const struct dependency_summary *summary)
{
	bool ready = !summary->gates || summary->fail_open;

	printf("/livez    200 (dependencies never make a service dead)\n");
	printf("/startupz 200 (once it has started)\n");
	printf("/readyz   %s%s\n", ready ? "200" : "503 dependency_down",
		summary->fail_open ? " (fail_open: every hard dependency is down)" : "");
	for (unsigned i = 0; i < set->count; i++)
		print_one(set, all, i, summary->fail_open);
	printf("/health   %s\n", !ready ? "503 fail" : summary->degraded ? "200 warn" : "200 pass");
}

int config_down(const char *path, const char *names)
{
	struct complaints why = {0};
	struct settings settings;
	struct dependency_set *set = dependency_set_read(path, (const char *const *)environ, &why);
	unsigned count = set ? set->count : 0;
	struct dependency_state *states = calloc(count + 1, sizeof(*states));
	struct dependency_standing *standing = calloc(count + 1, sizeof(*standing));
	struct dependency_summary summary;
	int status = EXIT_CONFIG;

	settings_set_defaults(&settings);
	settings_read_file(&settings, path, (const char *const *)environ, &why); /* it was checked: says nothing new */
	if (set && states && standing) {
		struct dependency_limits limits = {.failure_threshold = 1, .success_threshold = 1, .stale_ns = INT64_MAX,
			.all_hard_down = settings.readiness.all_hard_down, .peers_failing = -1};
		struct dependency_frame frame = {set, states, &limits, 2, false};

		begin(states, count);
		if (take_down(set, states, names)) {
			dependencies_judge(&frame, standing, &summary);
			print(set, standing, &summary);
			status = 0;
		}
	}
	free(set);
	free(states);
	free(standing);
	return status;
}
