/* SPDX-License-Identifier: Apache-2.0 */
#include "supervise/record_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* It tells what a service does and where its memory is: for its owner alone. */
static int open_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK, 0600), error;
	struct stat status;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && fchmod(fd, 0600) == 0 && ftruncate(fd, 0) == 0)
		return fd;
	error = S_ISREG(status.st_mode) ? errno : EINVAL;
	close(fd);
	return -error;
}

int record_file_open(const char *path, int *fd, struct failure *why)
{
	int ret = path[0] ? open_file(path) : 0;

	if (ret == -EINVAL)
		return failure_set(why, FAILURE_CONFIG, "cannot record to %s: it is no regular file", path);
	if (ret == -ELOOP)
		return failure_set(why, FAILURE_CONFIG, "cannot record to %s: it is a symbolic link", path);
	if (ret < 0)
		return failure_set(why, FAILURE_CONFIG, "cannot record to %s: %s", path, strerror(-ret));
	if (path[0])
		*fd = ret;
	return 0;
}
