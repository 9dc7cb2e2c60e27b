/* SPDX-License-Identifier: Apache-2.0 */
#include "supervise/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int make_one(const char *path, mode_t mode)
{
	return mkdir(path, mode) == 0 || errno == EEXIST ? 0 : -errno;
}

/* A parent that cannot be made because it is there and read-only is no failure: the last step decides. */
static int make_all(const char *path, mode_t mode)
{
	char part[PATH_MAX];

	if ((size_t)snprintf(part, sizeof(part), "%s", path) >= sizeof(part))
		return -ENAMETOOLONG;
	for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)make_one(part, 0755);
		*slash = '/';
	}
	return make_one(path, mode);
}

static bool is_below_tmp(const char *path)
{
	return strncmp(path, "/tmp/", 5) == 0 || strncmp(path, "/var/tmp/", 9) == 0 || strncmp(path, "/dev/shm/", 9) == 0;
}

/* Where everybody may create names somebody may have been first: then it must be ours alone. */
static int check_owner(const char *path, const struct stat *found)
{
	if (!S_ISDIR(found->st_mode))
		return -ENOTDIR;
	if (found->st_uid != geteuid() && (found->st_uid != 0 || is_below_tmp(path)))
		return -EPERM;
	return found->st_mode & 022 && !(found->st_mode & S_ISVTX) ? -EPERM : 0;
}

int directory_open(const char *path)
{
	mode_t mode = geteuid() == 0 && !is_below_tmp(path) ? 0755 : 0700;
	struct stat found;
	int fd, ret = make_all(path, mode);

	if (ret < 0)
		return ret;
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC | (is_below_tmp(path) ? O_NOFOLLOW : 0));
	if (fd < 0)
		return -errno;
	ret = fstat(fd, &found) < 0 ? -errno : check_owner(path, &found);
	if (ret == 0)
		return fd;
	close(fd);
	return ret;
}
