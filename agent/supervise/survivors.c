/* SPDX-License-Identifier: Apache-2.0 */
#include "supervise/survivors.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "supervise/mapping.h"
#include "watch/procfs.h"

/* One line a service: CREATED SLOTS MAIN-PID MAIN-STARTED UID NAMED NAME */
#define NUMBERS "%" PRIx64 " %" PRIu32 " %" PRId32 " %" PRId64 " %" PRIu32 " %u "

struct survivor {
	uint64_t created;
	uint32_t slots, uid;
	int32_t pid;
	int64_t started;
	unsigned named;
	char name[SERVICE_NAME_BYTES];
};

static bool is_the_same(const struct survivor *survivor)
{
	struct proc_stat stat;

	return proc_thread_stat(survivor->pid, survivor->pid, &stat) == 0 && stat.state != 'Z' &&
	       (int64_t)stat.start_ns == survivor->started;
}

/* The memory of the first mapping that is the segment meant; -errno. */
static int open_memory(const struct survivor *survivor, struct segment *out)
{
	char range[MAPPING_RANGE], path[128];
	int ret = -ENOENT;

	for (unsigned i = 0; mapping_range(survivor->pid, i, range); i++) {
		int fd;

		(void)snprintf(path, sizeof(path), "/proc/%d/map_files/%s", survivor->pid, range);
		fd = open(path, O_RDWR | O_CLOEXEC);
		ret = fd < 0 ? -errno : segment_adopt(out, fd, survivor->slots, survivor->created);
		if (ret == 0)
			return 0;
		if (fd >= 0)
			close(fd);
	}
	return ret;
}

static void take(const struct survivor *survivor, struct members *members)
{
	struct segment segment;
	int ret;

	if (!is_the_same(survivor))
		return; /* it has ended meanwhile */
	ret = open_memory(survivor, &segment);
	if (ret == 0) {
		ret = members_adopt(members, &segment, &(struct member_claim){
			.peer = {.pid = survivor->pid, .uid = survivor->uid, .pidfd = -1}, .name = survivor->name, .named = survivor->named});
		if (ret < 0)
			segment_drop(&segment);
	}
	if (ret == 0)
		log_event(LOG_LEVEL_INFO, "join", "%s was found again (pid %d)", survivor->name, survivor->pid);
	else
		log_event(LOG_LEVEL_WARN, "join", "%s (pid %d) joined an earlier agent and cannot be seen (%s); restart it%s", survivor->name,
			survivor->pid, strerror(-ret), ret == -EPERM ? ", or give this agent CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE" : "");
}

/* Ours, or root's: nobody else is believed. */
static FILE *open_list(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat status;

	if (fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && (status.st_uid == geteuid() || status.st_uid == 0))
		return fdopen(fd, "r");
	if (fd >= 0)
		close(fd);
	return NULL;
}

void survivors_find(struct survivors *out, const char *directory, struct members *members)
{
	struct survivor survivor;
	char line[256];
	FILE *list;

	*out = (struct survivors){.written = 1};
	(void)snprintf(out->path, sizeof(out->path), "%s/agent.services", directory);
	list = open_list(out->path);
	for (unsigned i = 0; list && i < MEMBERS && fgets(line, sizeof(line), list); i++) {
		if (sscanf(line, NUMBERS "%63s", &survivor.created, &survivor.slots, &survivor.pid, &survivor.started, &survivor.uid,
			    &survivor.named, survivor.name) == 7)
			take(&survivor, members);
	}
	if (list)
		(void)fclose(list);
}

static uint64_t mix(uint64_t sum, uint64_t word)
{
	return (sum ^ word) * UINT64_C(0x100000001b3);
}

static bool is_worth_keeping(const struct member *member)
{
	return !member->ended && !member->news.unseen_pids;
}

static uint64_t fingerprint(const struct members *members)
{
	uint64_t sum = UINT64_C(0xcbf29ce484222325);

	for (unsigned i = 0; i < members->count; i++) {
		const struct member *member = members->all[i];

		if (!is_worth_keeping(member))
			continue;
		sum = mix(mix(sum, member->segment.created), (uint64_t)member->news.main_pid);
		for (const char *at = member->news.name; *at; at++)
			sum = mix(sum, (unsigned char)*at);
	}
	return sum;
}

static void write_all(FILE *list, const struct members *members)
{
	for (unsigned i = 0; i < members->count; i++) {
		const struct member *member = members->all[i];
		const struct supervisor_news *news = &member->news;

		if (is_worth_keeping(member))
			(void)fprintf(list, NUMBERS "%s\n", member->segment.created, member->segment.slot_count, news->main_pid, news->main_started,
				(uint32_t)member->uid, (unsigned)news->named, news->name);
	}
}

/* By rename: a list is whole or not there. What cannot be written costs what a later supervisor could have found. */
void survivors_keep(struct survivors *survivors, const struct members *members)
{
	char fresh[SETTINGS_PATH + 8];
	uint64_t now = fingerprint(members);
	FILE *list;
	int fd;

	if (now == survivors->written)
		return;
	survivors->written = now;
	(void)snprintf(fresh, sizeof(fresh), "%s.new", survivors->path);
	(void)unlink(fresh);
	fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	list = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (!list)
		return;
	write_all(list, members);
	if (fclose(list) == 0)
		(void)rename(fresh, survivors->path);
}
