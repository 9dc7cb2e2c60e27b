/* SPDX-License-Identifier: Apache-2.0 */
#include "supervise/notify.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int notify_connect(const char *manager)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t bytes = strlen(manager);
	int fd, error;

	if ((manager[0] != '/' && manager[0] != '@') || bytes < 2 || bytes >= sizeof(address.sun_path))
		return -EINVAL;
	memcpy(address.sun_path, manager, bytes);
	if (manager[0] == '@')
		address.sun_path[0] = '\0';
	else
		bytes++; /* a path has its NUL */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + bytes)) == 0)
		return fd;
	error = errno;
	close(fd);
	return -error;
}

void notify_say(const char *manager, const char *text)
{
	int fd = manager ? notify_connect(manager) : -1;

	if (fd < 0)
		return;
	(void)send(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL); /* what is full is not waited for */
	close(fd);
}
