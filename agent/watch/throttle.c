/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/throttle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "watch/procfs.h"

enum { LEVELS = 32 }; /* of the tree of cgroups */

static const struct {
	const char *controllers, *mount, *key;
	uint64_t ns;
} statistics[] = {
	{"::", "/sys/fs/cgroup", "throttled_usec ", 1000},
	{"::", "/sys/fs/cgroup/unified", "throttled_usec ", 1000},
	{":cpu,cpuacct:", "/sys/fs/cgroup/cpu,cpuacct", "throttled_time ", 1},
	{":cpu:", "/sys/fs/cgroup/cpu", "throttled_time ", 1},
};

static uint64_t read_one(const char *path, const char *key, uint64_t ns)
{
	char text[2048];
	const char *at = proc_read(path, text, sizeof(text)) > 0 ? strstr(text, key) : NULL;

	return at ? strtoull(at + strlen(key), NULL, 10) * ns : 0;
}

/* A limit may be set on any level above: the one that took most has taken all of it, or nearly so. */
static uint64_t read_levels(const char *mount, const char *place, size_t length, const char *key, uint64_t ns)
{
	uint64_t most = 0;
	char path[512];

	for (unsigned level = 0; level < LEVELS; level++) {
		uint64_t one;

		if (snprintf(path, sizeof(path), "%s%.*s/cpu.stat", mount, (int)length, place) >= (int)sizeof(path))
			break;
		one = read_one(path, key, ns);
		most = one > most ? one : most;
		while (length && place[length - 1] != '/')
			length--;
		if (length <= 1)
			break;
		length--;
	}
	return most;
}

static uint64_t read_line(const char *line, unsigned row)
{
	const char *behind = line + strspn(line, "0123456789"), *place = behind + strlen(statistics[row].controllers);

	if (strncmp(behind, statistics[row].controllers, strlen(statistics[row].controllers)) != 0 || *place != '/' ||
		strncmp(place, "/..", 3) == 0)
		return 0;
	return read_levels(statistics[row].mount, place, strcspn(place, "\n"), statistics[row].key, statistics[row].ns);
}

uint64_t throttle_read_ns(pid_t pid)
{
	char path[64], text[8192];
	uint64_t most = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	if (proc_read(path, text, sizeof(text)) <= 0)
		return 0;
	for (const char *line = text; line && *line; line = strchr(line, '\n'), line += line ? 1 : 0) {
		for (unsigned row = 0; row < sizeof(statistics) / sizeof(statistics[0]); row++) {
			uint64_t one = read_line(line, row);

			most = one > most ? one : most;
		}
	}
	return most;
}

/* "cpu  USER NICE SYSTEM IDLE IOWAIT IRQ SOFTIRQ STEAL …" in clock ticks */
uint64_t throttle_read_steal_ns(void)
{
	char text[512], *at = text;

	if (proc_read("/proc/stat", text, sizeof(text)) <= 0 || strncmp(text, "cpu ", 4) != 0)
		return 0;
	at += 4;
	for (unsigned field = 0; field < 7; field++)
		(void)strtoull(at, &at, 10);
	return strtoull(at, NULL, 10) * (uint64_t)(NS_PER_SECOND / sysconf(_SC_CLK_TCK));
}
