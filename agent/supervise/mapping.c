/* SPDX-License-Identifier: Apache-2.0 */
#include "supervise/mapping.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "watch/procfs.h"

#define NAME "/memfd:lifesign (deleted)"
enum { MAPS_BYTES = 1 << 20, INODE_FIELD = 5 };

static char maps[MAPS_BYTES]; /* owner: the supervisor's only thread; untouched pages cost nothing */

/* START-END PERMS OFFSET DEV INODE NAME */
static ino_t inode_of(const char *line)
{
	for (int field = 1; field < INODE_FIELD; field++) {
		line = strchr(line, ' ');
		if (!line)
			return 0;
		line++;
	}
	return (ino_t)strtoull(line, NULL, 10);
}

static const char *line_of(const char *text, const char *at)
{
	while (at > text && at[-1] != '\n')
		at--;
	return at;
}

enum mapping mapping_find_in(const char *text, ino_t inode)
{
	for (const char *name = text; (name = strstr(name, NAME)); name += strlen(NAME)) {
		if (inode_of(line_of(text, name)) == inode)
			return MAPPING_THERE;
	}
	return MAPPING_GONE;
}

/* Nothing: its first thread has ended, others may live, or we may not look; full: there may be more. */
static bool read_maps(pid_t pid)
{
	char path[64];
	ssize_t got;

	(void)snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	got = proc_read(path, maps, sizeof(maps));
	return got > 0 && got < (ssize_t)sizeof(maps) - 1;
}

enum mapping mapping_find(pid_t pid, ino_t inode)
{
	return read_maps(pid) ? mapping_find_in(maps, inode) : MAPPING_UNKNOWN;
}

enum mapping mapping_of(pid_t pid, ino_t *inode)
{
	const char *name;

	if (!read_maps(pid))
		return MAPPING_UNKNOWN;
	name = strstr(maps, NAME);
	if (!name)
		return MAPPING_GONE;
	*inode = inode_of(line_of(maps, name));
	return MAPPING_THERE;
}

bool mapping_range(pid_t pid, unsigned nth, char range[MAPPING_RANGE])
{
	const char *name;
	ssize_t got;
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	got = proc_read(path, maps, sizeof(maps));
	name = got > 0 ? maps : NULL;
	for (unsigned i = 0; name && (name = strstr(name, NAME)); i++, name += strlen(NAME)) {
		const char *line = line_of(maps, name);

		if (i == nth)
			return snprintf(range, MAPPING_RANGE, "%.*s", (int)strcspn(line, " "), line) < MAPPING_RANGE;
	}
	return false;
}
