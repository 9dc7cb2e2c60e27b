/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Socket files: made 0600, replaced only when nobody answers, removed only when still ours.
 * Threads: the supervisor. Failure: -errno. Two that start at once take turns by a lock on the directory.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "supervise/listen.h"

enum { BACKLOG = 512, LOCK_TRIES = 100, LOCK_WAIT_MS = 10, STALE_TRIES = 10, STALE_WAIT_MS = 20 };

static int fill(struct sockaddr_un *address, const char *path)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address->sun_path))
		return -ENAMETOOLONG;
	memcpy(address->sun_path, path, strlen(path));
	return 0;
}

int listen_lock_directory(const char *path)
{
	char copy[SETTINGS_PATH];
	int fd;

	(void)snprintf(copy, sizeof(copy), "%s", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; fd >= 0 && i < LOCK_TRIES && flock(fd, LOCK_EX | LOCK_NB) < 0; i++)
		(void)poll(NULL, 0, LOCK_WAIT_MS);
	return fd;
}

/* True when a socket lies there and nobody listens on it. */
static bool is_stale(const struct sockaddr_un *address)
{
	struct stat found;
	bool stale;
	int fd;

	if (lstat(address->sun_path, &found) < 0 || !S_ISSOCK(found.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	stale = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 && errno == ECONNREFUSED;
	close(fd);
	return stale;
}

/* One whose supervisor was killed just now may still have an agent that is about to end. */
static bool becomes_stale(const struct sockaddr_un *address)
{
	for (int i = 0; i < STALE_TRIES; i++) {
		if (is_stale(address))
			return true;
		(void)poll(NULL, 0, STALE_WAIT_MS);
	}
	return false;
}

static int bind_file(int fd, const struct sockaddr_un *address)
{
	mode_t before = umask(0177);
	int ret = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;

	(void)umask(before);
	return ret;
}

static int open_file(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), ret;

	if (fd < 0)
		return -errno;
	ret = bind_file(fd, address);
	if (ret == -EADDRINUSE && becomes_stale(address)) {
		(void)unlink(address->sun_path); /* if that fails, bind says so again */
		ret = bind_file(fd, address);
	}
	if (ret == 0 && listen(fd, BACKLOG) < 0)
		ret = -errno;
	if (ret == 0)
		return fd;
	close(fd);
	return ret;
}

static void remember(struct listen *listening, const char *path, int fd)
{
	struct child_listener *added = &listening->all[listening->count];
	struct listen_file *file = &listening->files[listening->count];
	struct stat made = {0};

	(void)lstat(path, &made); /* a failure leaves inode 0: then the file is not removed at the end */
	*file = (struct listen_file){.device = made.st_dev, .inode = made.st_ino};
	(void)snprintf(file->path, sizeof(file->path), "%s", path);
	*added = (struct child_listener){.fd = fd, .kind = LISTENER_UNIX};
	(void)snprintf(added->address, sizeof(added->address), "unix:%s", path);
	listening->count++;
}

int listen_add_unix(struct listen *listening, const char *path)
{
	struct sockaddr_un address;
	int lock, fd, ret = fill(&address, path);

	if (ret < 0)
		return ret;
	lock = listen_lock_directory(path);
	fd = open_file(&address);
	if (fd >= 0)
		remember(listening, path, fd);
	if (lock >= 0)
		close(lock);
	return fd < 0 ? fd : 0;
}

static void remove_file(const struct listen_file *file)
{
	struct stat now;

	if (!file->path[0] || lstat(file->path, &now) < 0)
		return;
	if (now.st_ino == file->inode && now.st_dev == file->device)
		(void)unlink(file->path); /* what cannot be removed is stale, and replaced next time */
}

void listen_close(struct listen *listening)
{
	while (listening->count) {
		unsigned last = --listening->count;

		remove_file(&listening->files[last]);
		close(listening->all[last].fd);
		listening->files[last].path[0] = '\0';
	}
}
