/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/file_locks.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "watch/procfs.h"

enum { LOCKS_BYTES = 1 << 20 };

static const char *const kinds[] = {[FILE_LOCK_POSIX] = "POSIX", [FILE_LOCK_FLOCK] = "FLOCK"};

struct line {
	unsigned long number;
	bool waits;
	char kind[16];
	int pid;
	uint64_t inode;
};

/* "1: -> POSIX  ADVISORY  WRITE 4711 08:01:123456 0 EOF" */
static bool parse(const char *text, struct line *out)
{
	char *end;
	const char *at;

	out->number = strtoul(text, &end, 10);
	if (end == text || *end != ':')
		return false;
	at = end + 1 + strspn(end + 1, " ");
	out->waits = strncmp(at, "->", 2) == 0;
	while (strncmp(at, "->", 2) == 0)
		at += 2 + strspn(at + 2, " ");
	return sscanf(at, "%15s %*s %*s %d %*x:%*x:%" SCNu64, out->kind, &out->pid, &out->inode) == 3;
}

/* Of several threads that wait for different ones, which is which is not told: then nobody is known. */
pid_t file_locks_owner_in(const char *text, enum file_lock_kind kind, pid_t waiter, uint64_t inode)
{
	struct line holder = {.pid = 0}, line;
	pid_t owner = 0;

	for (const char *at = text; *at; at += strcspn(at, "\n"), at += *at == '\n') {
		if (!parse(at, &line) || strcmp(line.kind, kinds[kind]) != 0)
			continue;
		if (!line.waits) {
			holder = line;
		} else if (line.pid == waiter && line.number == holder.number &&
			   (!inode || line.inode == inode)) {
			if (holder.pid <= 0 || (owner && owner != holder.pid))
				return 0;
			owner = holder.pid;
		}
	}
	return owner;
}

pid_t file_locks_owner(enum file_lock_kind kind, pid_t waiter, uint64_t inode)
{
	char *text = malloc(LOCKS_BYTES);
	pid_t owner = 0;

	if (text && proc_read("/proc/locks", text, LOCKS_BYTES) > 0)
		owner = file_locks_owner_in(text, kind, waiter, inode);
	free(text);
	return owner;
}
