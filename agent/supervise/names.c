/* SPDX-License-Identifier: Apache-2.0 */
#include "supervise/names.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int names_bind_abstract(int type, const char *kind, const char *tail, char name[NAME_BYTES])
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	uint64_t random = 0;
	size_t bytes;
	int fd, error;

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random = (uintptr_t)&address; /* early in boot: the pid makes it unique, kin checks who asks */
	(void)snprintf(name, NAME_BYTES, "@lifesign-%s-%d-%016llx%s", kind, getpid(), (unsigned long long)random, tail);
	bytes = strlen(name);
	memcpy(address.sun_path, name, bytes);
	address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + bytes)) == 0)
		return fd;
	error = errno;
	close(fd);
	return -error;
}

int names_send_fd(int socket, const void *data, size_t bytes, int fd)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = bytes};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(head), &fd, sizeof(int));
	return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}
