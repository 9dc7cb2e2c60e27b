/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/cgroup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "watch/procfs.h"

enum { LEVELS = 32, PATH = 512 };

/* Where a line of /proc/PID/cgroup leads. */
struct hierarchy {
	const char *controllers, *mount;
};

static const struct hierarchy unified[] = {{"::", "/sys/fs/cgroup"}, {"::", "/sys/fs/cgroup/unified"}};
static const struct hierarchy memories[] = {{":memory:", "/sys/fs/cgroup/memory"}};
static const struct hierarchy pids[] = {{":pids:", "/sys/fs/cgroup/pids"}};
static const struct hierarchy cpus[] = {{":cpu,cpuacct:", "/sys/fs/cgroup/cpu,cpuacct"}, {":cpu:", "/sys/fs/cgroup/cpu"}};

/* Called with the directory of each level, from the process's own to the root. */
typedef void level_fn(const char *directory, void *context);

static void walk_levels(const char *mount, const char *place, size_t length, level_fn *level, void *context)
{
	char path[PATH];

	for (unsigned i = 0; i < LEVELS; i++) {
		if (snprintf(path, sizeof(path), "%s%.*s", mount, (int)length, place) >= (int)sizeof(path))
			return;
		level(path, context);
		while (length && place[length - 1] != '/')
			length--;
		if (length <= 1)
			return;
		length--;
	}
}

static void walk_line(const char *line, const struct hierarchy *hierarchy, level_fn *level, void *context)
{
	const char *behind = line + strspn(line, "0123456789"), *place = behind + strlen(hierarchy->controllers);

	if (strncmp(behind, hierarchy->controllers, strlen(hierarchy->controllers)) == 0 && *place == '/' && strncmp(place, "/..", 3) != 0)
		walk_levels(hierarchy->mount, place, strcspn(place, "\n"), level, context);
}

static void walk(pid_t pid, const struct hierarchy *hierarchies, unsigned count, level_fn *level, void *context)
{
	char path[64], text[8192];

	(void)snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	if (proc_read(path, text, sizeof(text)) <= 0)
		return;
	for (const char *line = text; line && *line; line = strchr(line, '\n'), line += line ? 1 : 0) {
		for (unsigned i = 0; i < count; i++)
			walk_line(line, &hierarchies[i], level, context);
	}
}

/* ---- files of one level */

static bool read_text(const char *directory, const char *file, char *text, size_t bytes)
{
	char path[PATH + 64];

	(void)snprintf(path, sizeof(path), "%s/%s", directory, file);
	return proc_read(path, text, bytes) > 0;
}

/* "max" and files that are not there are no number. */
static bool read_number(const char *directory, const char *file, uint64_t *out)
{
	char text[64], *end;

	if (!read_text(directory, file, text, sizeof(text)))
		return false;
	*out = strtoull(text, &end, 10);
	return end != text;
}

static uint64_t read_key(const char *directory, const char *file, const char *key)
{
	char text[8192];
	const char *at = read_text(directory, file, text, sizeof(text)) ? strstr(text, key) : NULL;

	return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

/* ---- memory */

struct memory_files {
	const char *limit, *used, *inactive;
};

/* The one that leaves least, as a share of its limit. */
static void keep_tighter(struct cgroup_memory *kept, uint64_t used, uint64_t limit)
{
	if (limit && (!kept->limit || (double)used / (double)limit > (double)kept->used / (double)kept->limit))
		*kept = (struct cgroup_memory){used, limit};
}

static void read_memory_level(const char *directory, const struct memory_files *files, struct cgroup_memory *kept)
{
	uint64_t limit, used, inactive;

	if (!read_number(directory, files->limit, &limit) || limit >= UINT64_C(1) << 60 || !read_number(directory, files->used, &used))
		return;
	inactive = read_key(directory, "memory.stat", files->inactive);
	keep_tighter(kept, used > inactive ? used - inactive : 0, limit);
}

static void read_memory_v2(const char *directory, void *context)
{
	read_memory_level(directory, &(struct memory_files){"memory.max", "memory.current", "\ninactive_file "}, context);
}

static void read_memory_v1(const char *directory, void *context)
{
	read_memory_level(directory, &(struct memory_files){"memory.limit_in_bytes", "memory.usage_in_bytes", "\ntotal_inactive_file "}, context);
}

bool cgroup_read_memory(pid_t pid, struct cgroup_memory *out)
{
	*out = (struct cgroup_memory){0};
	walk(pid, unified, 2, read_memory_v2, out);
	walk(pid, memories, 1, read_memory_v1, out);
	return out->limit > 0;
}

/* ---- threads */

static void read_pids(const char *directory, void *context)
{
	uint64_t limit, *least = context;

	if (read_number(directory, "pids.max", &limit) && (!*least || limit < *least))
		*least = limit;
}

uint64_t cgroup_read_pids_limit(pid_t pid)
{
	uint64_t least = 0;

	walk(pid, unified, 2, read_pids, &least);
	walk(pid, pids, 1, read_pids, &least);
	return least;
}

/* ---- CPU */

static void read_throttled_v2(const char *directory, void *context)
{
	uint64_t ns = read_key(directory, "cpu.stat", "throttled_usec ") * 1000, *most = context;

	*most = ns > *most ? ns : *most;
}

static void read_throttled_v1(const char *directory, void *context)
{
	uint64_t ns = read_key(directory, "cpu.stat", "throttled_time "), *most = context;

	*most = ns > *most ? ns : *most;
}

uint64_t cgroup_read_throttled_ns(pid_t pid)
{
	uint64_t most = 0;

	walk(pid, unified, 2, read_throttled_v2, &most);
	walk(pid, cpus, 2, read_throttled_v1, &most);
	return most;
}
