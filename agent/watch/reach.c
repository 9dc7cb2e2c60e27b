/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/reach.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "watch/reader.h"

enum { READERS = 8 };

/* A reader that failed is not started again before this long: its uid may be out of reach for good. */
#define READER_RETRY_NS (10 * NS_PER_SECOND)

struct reader {
	bool used;
	uid_t uid;
	gid_t gid;
	int fd; /* -1: failed, see retry */
	pid_t pid;
	int64_t retry;
};

static struct reader readers[READERS]; /* owner: the sampler */

static void end_reader(struct reader *reader)
{
	if (reader->fd >= 0) {
		close(reader->fd);
		(void)kill(reader->pid, SIGKILL); /* our own child, not yet waited for: the pid is ours */
		(void)waitpid(reader->pid, NULL, 0);
	}
	reader->fd = -1;
	reader->retry = clock_boot_ns() + READER_RETRY_NS;
}

static struct reader *find_reader(uid_t uid, gid_t gid)
{
	struct reader *free_one = NULL;

	for (unsigned i = 0; i < READERS; i++) {
		if (readers[i].used && readers[i].uid == uid && readers[i].gid == gid)
			return &readers[i];
		if (!readers[i].used && !free_one)
			free_one = &readers[i];
	}
	if (free_one)
		*free_one = (struct reader){.used = true, .uid = uid, .gid = gid, .fd = -1};
	return free_one;
}

static struct reader *ready_reader(uid_t uid, gid_t gid)
{
	struct reader *reader = find_reader(uid, gid);

	if (!reader || (reader->fd < 0 && clock_boot_ns() < reader->retry))
		return NULL;
	if (reader->fd < 0) {
		reader->fd = reader_start(uid, gid, &reader->pid);
		log_event(LOG_LEVEL_DEBUG, "reader", "started a reader under uid %u gid %u", uid, gid);
	}
	if (reader->fd < 0) {
		reader->fd = -1;
		reader->retry = clock_boot_ns() + READER_RETRY_NS;
		return NULL;
	}
	return reader;
}

static ssize_t ask(const struct reach_target *target, struct reader_question *question, void *buffer)
{
	ssize_t got;
	struct reader *reader;

	question->pid = target->pid;
	got = reader_answer(question, buffer);
	if (got != -EPERM && got != -EACCES)
		return got;
	if (target->uid == geteuid() && target->gid == getegid())
		return -EPERM; /* a reader would be what we are */
	reader = ready_reader(target->uid, target->gid);
	if (!reader)
		return -EPERM;
	got = reader_ask(reader->fd, question, buffer);
	if (got == -EPIPE)
		end_reader(reader);
	return got == -EPIPE || got == -EACCES ? -EPERM : got;
}

static ssize_t ask_named(const struct reach_target *target, enum reader_kind kind, const char *name, void *buffer, size_t bytes)
{
	struct reader_question question = {.kind = kind, .bytes = (uint32_t)(bytes < REACH_BYTES ? bytes : REACH_BYTES)};

	(void)snprintf(question.name, sizeof(question.name), "%s", name);
	return ask(target, &question, buffer);
}

ssize_t reach_file(const struct reach_target *target, const char *name, void *buffer, size_t bytes)
{
	return ask_named(target, READER_FILE, name, buffer, bytes);
}

ssize_t reach_link(const struct reach_target *target, const char *name, char *buffer, size_t bytes)
{
	ssize_t got = ask_named(target, READER_LINK, name, buffer, bytes - 1);

	if (got >= 0)
		buffer[got] = '\0';
	return got;
}

ssize_t reach_memory(const struct reach_target *target, uint64_t address, void *buffer, size_t bytes)
{
	struct reader_question question = {.kind = READER_MEMORY, .address = address};

	question.bytes = (uint32_t)(bytes < REACH_BYTES ? bytes : REACH_BYTES);
	return ask(target, &question, buffer);
}

int reach_sockets(const struct reach_target *target, struct reach_socket *sockets, unsigned max)
{
	ssize_t got = ask_named(target, READER_SOCKETS, "fd", sockets, max * sizeof(*sockets));

	return got < 0 ? (int)got : (int)((size_t)got / sizeof(*sockets));
}

void reach_stop(void)
{
	for (unsigned i = 0; i < READERS; i++) {
		if (readers[i].used)
			end_reader(&readers[i]);
		readers[i].used = false;
	}
}

void reach_forget(void)
{
	memset(readers, 0, sizeof(readers));
}
