/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SOCKET_FDS = 1024, ANSWER_MS = 50 };

struct reader_answer_head {
	int64_t result;
};

static ssize_t answer_file(const struct reader_question *question, const char *path, void *buffer)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t have = 0;
	ssize_t got = 0;

	if (fd < 0)
		return -errno;
	while (have < question->bytes && (got = read(fd, (char *)buffer + have, question->bytes - have)) > 0)
		have += (size_t)got;
	got = got < 0 && have == 0 ? -errno : (ssize_t)have;
	close(fd);
	return got;
}

static ssize_t answer_link(const struct reader_question *question, const char *path, void *buffer)
{
	ssize_t got = readlink(path, buffer, question->bytes);

	return got < 0 ? -errno : got;
}

static ssize_t answer_memory(const struct reader_question *question, const char *path, void *buffer)
{
	struct iovec local = {buffer, question->bytes};
	struct iovec remote = {(void *)(uintptr_t)question->address, question->bytes};
	ssize_t got = process_vm_readv(question->pid, &local, 1, &remote, 1, 0);

	(void)path; /* memory has no file here */
	return got < 0 ? -errno : got;
}

static bool parse_socket_link(const char *text, uint64_t *inode)
{
	static const char prefix[] = "socket:[";

	if (strncmp(text, prefix, sizeof(prefix) - 1) != 0)
		return false;
	*inode = 0;
	for (const char *at = text + sizeof(prefix) - 1; *at >= '0' && *at <= '9'; at++)
		*inode = *inode * 10 + (uint64_t)(*at - '0');
	return *inode != 0;
}

static ssize_t answer_sockets(const struct reader_question *question, const char *path, void *buffer)
{
	struct reach_socket *sockets = buffer;
	unsigned count = 0, max = question->bytes / sizeof(*sockets);
	char name[REACH_NAME + 32], text[64];

	if (access(path, R_OK | X_OK) < 0)
		return -errno;
	for (int fd = 0, missing = 0; fd < SOCKET_FDS && missing < 64 && count < max; fd++) {
		ssize_t got;
		uint64_t inode;

		(void)snprintf(name, sizeof(name), "%s/%d", path, fd);
		got = readlink(name, text, sizeof(text) - 1);
		missing = got < 0 ? missing + 1 : 0;
		if (got < 0 && errno != ENOENT)
			return -errno;
		if (got < 0)
			continue;
		text[got] = '\0';
		if (parse_socket_link(text, &inode))
			sockets[count++] = (struct reach_socket){.inode = inode, .fd = fd};
	}
	return (ssize_t)(count * sizeof(*sockets));
}

static ssize_t (*const answers[])(const struct reader_question *, const char *, void *) = {
	[READER_FILE] = answer_file,
	[READER_LINK] = answer_link,
	[READER_MEMORY] = answer_memory,
	[READER_SOCKETS] = answer_sockets,
};

ssize_t reader_answer(const struct reader_question *question, void *buffer)
{
	char path[REACH_NAME + 32];

	if (question->kind >= sizeof(answers) / sizeof(answers[0]) || question->bytes > REACH_BYTES)
		return -EINVAL;
	(void)snprintf(path, sizeof(path), "/proc/%d/%.*s", question->pid, REACH_NAME - 1, question->name);
	return answers[question->kind](question, path, buffer);
}

/* Raw syscalls: the C library's setuid would try to reach threads that this fork does not have. */
static bool become(uid_t uid, gid_t gid)
{
	if (gid != getegid() && (syscall(SYS_setgroups, 0, NULL) < 0 || syscall(SYS_setresgid, gid, gid, gid) < 0))
		return false;
	return uid == geteuid() || syscall(SYS_setresuid, uid, uid, uid) == 0;
}

void reader_close_others(int keep)
{
	if (keep > 3)
		(void)syscall(SYS_close_range, 3, keep - 1, 0); /* kernels before 5.9: they stay open, harmless */
	(void)syscall(SYS_close_range, keep + 1, ~0U, 0);
}

static void serve_questions(int fd)
{
	static char reply[sizeof(struct reader_answer_head) + REACH_BYTES];
	struct reader_question question;

	while (recv(fd, &question, sizeof(question), 0) == (ssize_t)sizeof(question)) {
		struct reader_answer_head head;

		question.name[REACH_NAME - 1] = '\0';
		head.result = reader_answer(&question, reply + sizeof(head));
		memcpy(reply, &head, sizeof(head));
		if (send(fd, reply, sizeof(head) + (head.result > 0 ? (size_t)head.result : 0), MSG_NOSIGNAL) < 0)
			break;
	}
}

int reader_start(uid_t uid, gid_t gid, pid_t *pid)
{
	int fds[2];
	pid_t parent = getpid();

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	*pid = fork();
	if (*pid < 0) {
		int error = errno;

		close(fds[0]);
		close(fds[1]);
		return -error;
	}
	if (*pid == 0) {
		reader_close_others(fds[1]);
		(void)prctl(PR_SET_NAME, "lifesign-reader");
		if (!become(uid, gid) || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
			_exit(1);
		serve_questions(fds[1]);
		_exit(0);
	}
	close(fds[1]);
	return fds[0];
}

ssize_t reader_ask(int fd, const struct reader_question *question, void *buffer)
{
	struct reader_answer_head head;
	struct iovec parts[2] = {{&head, sizeof(head)}, {buffer, question->bytes}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	ssize_t got;

	if (send(fd, question, sizeof(*question), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return -EPIPE;
	if (poll(&wait, 1, ANSWER_MS) <= 0)
		return -EPIPE;
	got = recvmsg(fd, &message, MSG_DONTWAIT);
	if (got < (ssize_t)sizeof(head) || head.result > got - (ssize_t)sizeof(head))
		return -EPIPE;
	return (ssize_t)head.result;
}
