/* SPDX-License-Identifier: Apache-2.0 */
/* Who has the other end of a pipe or socket: every process that we may look into is asked for its descriptors.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "explain/explain.h"
#include "watch/procfs.h"

/* A machine may have a million descriptors: after so long the search is given up. */
#define SEARCH_NS (2 * NS_PER_SECOND)

struct search {
	struct explain_holders *found;
	int64_t until;
};

/* The rights of the link are those of the open file. */
static bool is_end(int directory, const char *name, const struct explain_holders *wanted)
{
	mode_t needed = wanted->way == WAY_IN ? S_IWUSR : S_IRUSR; /* who reads waits for those that write */
	struct stat status;
	char text[64];
	ssize_t got = readlinkat(directory, name, text, sizeof(text) - 1);

	if (got <= 0)
		return false;
	text[got] = '\0';
	if (strcmp(text, wanted->link) != 0)
		return false;
	if (strncmp(text, "pipe:", 5) != 0)
		return true;
	return fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && (status.st_mode & needed);
}

static void look_into(pid_t pid, void *context)
{
	struct search *search = context;
	const struct dirent *entry;
	char path[64];
	DIR *directory;

	if (clock_mono_ns() > search->until) {
		search->found->blind = true;
		return;
	}
	(void)snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	directory = opendir(path);
	search->found->blind = search->found->blind ||
			       (!directory && errno != ENOENT && errno != ESRCH); /* those have ended */
	while (directory && (entry = readdir(directory))) {
		if (!is_end(dirfd(directory), entry->d_name, search->found))
			continue;
		if (search->found->count < HOLDERS_PIDS)
			search->found->pids[search->found->count] = pid;
		search->found->count++;
		break;
	}
	if (directory)
		(void)closedir(directory); /* was only read */
}

const struct explain_holders *explain_holders_of(
	struct explain *explain, const char *link, enum blocking_way way)
{
	struct explain_holders *place = &explain->holders[explain->holders_next];
	struct search search = {.found = place, .until = clock_mono_ns() + SEARCH_NS};

	for (unsigned i = 0; i < HOLDERS_CACHED; i++) {
		if (explain->holders[i].way == way && strcmp(explain->holders[i].link, link) == 0)
			return &explain->holders[i];
	}
	explain->holders_next = (explain->holders_next + 1) % HOLDERS_CACHED;
	*place = (struct explain_holders){.way = way};
	(void)snprintf(place->link, sizeof(place->link), "%s", link);
	place->blind = proc_each(look_into, &search) < 0 || place->blind;
	return place;
}
