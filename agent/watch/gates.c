/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/gates.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "watch/procfs.h"

/* How a line of /proc/PID/cgroup begins behind its number, where that hierarchy is mounted, and what says frozen. */
static const struct {
	const char *controllers, *mount, *file, *frozen;
} freezers[] = {
	{"::", "/sys/fs/cgroup", "cgroup.events", "frozen 1"},
	{"::", "/sys/fs/cgroup/unified", "cgroup.events", "frozen 1"},
	{":freezer:", "/sys/fs/cgroup/freezer", "freezer.state", "FROZEN"},
};

enum { FREEZERS = sizeof(freezers) / sizeof(freezers[0]) };

bool gates_freezer_file(const char *line, unsigned try, char *path, size_t bytes)
{
	const char *behind = line + strspn(line, "0123456789"), *place;
	size_t length;

	if (try >= FREEZERS || strncmp(behind, freezers[try].controllers, strlen(freezers[try].controllers)) != 0)
		return false;
	place = behind + strlen(freezers[try].controllers);
	length = strcspn(place, "\n");
	if (length == 0 || *place != '/' || strncmp(place, "/..", 3) == 0) /* outside of what we see of the tree */
		return false;
	return snprintf(path, bytes, "%s%.*s/%s", freezers[try].mount, (int)length, place, freezers[try].file) < (int)bytes;
}

/* The root cgroup cannot be frozen and has no such file. */
static bool says_frozen(const char *path, const char *word)
{
	char text[256];

	return proc_read(path, text, sizeof(text)) > 0 && strstr(text, word);
}

static void read_freezers(const char *cgroups, struct gates *out)
{
	for (const char *line = cgroups; line && *line; line = strchr(line, '\n'), line += line ? 1 : 0) {
		for (unsigned i = 0; i < FREEZERS && !out->frozen; i++) {
			if (gates_freezer_file(line, i, out->frozen_by, sizeof(out->frozen_by)))
				out->frozen = says_frozen(out->frozen_by, freezers[i].frozen);
		}
	}
}

static const char *value_of(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? at + strlen(key) + strspn(at + strlen(key), "\t ") : "";
}

void gates_read(pid_t pid, struct gates *out)
{
	char path[64], text[8192];

	*out = (struct gates){0};
	(void)snprintf(path, sizeof(path), "/proc/%d/status", pid);
	if (proc_read(path, text, sizeof(text)) <= 0)
		return;
	out->suspended = *value_of(text, "\nState:") == 'T';
	out->traced = atol(value_of(text, "\nTracerPid:")) != 0;
	out->core_dump = *value_of(text, "\nCoreDumping:") == '1';
	(void)snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	if (proc_read(path, text, sizeof(text)) > 0)
		read_freezers(text, out);
}
