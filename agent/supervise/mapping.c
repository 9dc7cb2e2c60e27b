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

enum mapping mapping_find_in(const char *text, ino_t inode)
{
	for (const char *name = text; (name = strstr(name, NAME)); name += strlen(NAME)) {
		const char *line = name;

		while (line > text && line[-1] != '\n')
			line--;
		if (inode_of(line) == inode)
			return MAPPING_THERE;
	}
	return MAPPING_GONE;
}

enum mapping mapping_find(pid_t pid, ino_t inode)
{
	char path[64];
	ssize_t got;

	(void)snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	got = proc_read(path, maps, sizeof(maps));
	/* nothing: its first thread has ended, others may live; full: there may be more */
	if (got <= 0 || got == sizeof(maps) - 1)
		return MAPPING_UNKNOWN;
	return mapping_find_in(maps, inode);
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
		const char *line = name;

		while (line > maps && line[-1] != '\n')
			line--;
		if (i == nth)
			return snprintf(range, MAPPING_RANGE, "%.*s", (int)strcspn(line, " "), line) < MAPPING_RANGE;
	}
	return false;
}
