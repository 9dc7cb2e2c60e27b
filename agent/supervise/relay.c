/* SPDX-License-Identifier: Apache-2.0 */
#include "supervise/relay.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "supervise/notify.h"

enum { A_TURN = 64 };

union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(sizeof(int) * RELAY_FDS) + CMSG_SPACE(sizeof(struct ucred))];
};

int relay_open(struct relay *out, const char *manager, const struct kin_helpers *helpers)
{
	int yes = 1;

	*out = (struct relay){.fd = -1, .self = getpid(), .helpers = helpers};
	out->manager = notify_connect(manager);
	if (out->manager < 0)
		return out->manager;
	out->fd = names_bind_abstract(SOCK_DGRAM, "notify", "", out->name);
	if (out->fd < 0) {
		close(out->manager);
		return out->fd;
	}
	(void)setsockopt(out->fd, SOL_SOCKET, SO_PASSCRED, &yes, sizeof(yes)); /* without it nobody is believed */
	return 0;
}

static bool starts(const char *line, size_t bytes, const char *key)
{
	return bytes >= strlen(key) && memcmp(line, key, strlen(key)) == 0;
}

/* "BARRIER=1" has to come alone, or systemd ignores it. */
static bool is_barrier(const char *text, size_t bytes)
{
	return starts(text, bytes, "BARRIER=1") && (bytes == 9 || (bytes == 10 && text[9] == '\n'));
}

size_t relay_rewrite(const char *text, size_t bytes, pid_t self, char *out, size_t room)
{
	size_t used = 0;
	int added;

	for (size_t at = 0, line; at < bytes; at += line) {
		const char *end = memchr(text + at, '\n', bytes - at);

		line = end ? (size_t)(end - text) - at + 1 : bytes - at;
		if (starts(text + at, line, "MAINPID=") || starts(text + at, line, "MAINPIDFD"))
			continue;
		if (line > room - used)
			break;
		memcpy(out + used, text + at, line);
		used += line;
	}
	if (is_barrier(text, bytes))
		return used;
	added = snprintf(out + used, room - used, "%sMAINPID=%d\n", used && out[used - 1] != '\n' ? "\n" : "", self);
	return added > 0 && (size_t)added < room - used ? used + (size_t)added : used;
}

static void drop_held(struct relay *relay)
{
	while (relay->fd_count)
		close(relay->fds[--relay->fd_count]);
	relay->held = false;
}

/* Descriptors and sender of what was received. */
static struct ucred take_control(struct relay *relay, struct msghdr *message)
{
	struct ucred who = {.uid = (uid_t)-1};

	for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head; head = CMSG_NXTHDR(message, head)) {
		size_t bytes = head->cmsg_len - CMSG_LEN(0);

		if (head->cmsg_level != SOL_SOCKET)
			continue;
		if (head->cmsg_type == SCM_CREDENTIALS && bytes == sizeof(who))
			memcpy(&who, CMSG_DATA(head), sizeof(who));
		if (head->cmsg_type == SCM_RIGHTS && bytes <= sizeof(relay->fds)) {
			memcpy(relay->fds, CMSG_DATA(head), bytes);
			relay->fd_count = (unsigned)(bytes / sizeof(int));
		}
	}
	return who;
}

/* systemd-notify and its like may have ended by now: then it is its uid that counts. */
static bool is_believed(const struct relay *relay, const struct ucred *who)
{
	return who->uid == 0 || who->uid == geteuid() || kin_is_service(relay->helpers, relay->self, who->pid);
}

/* False when there is nothing to take. */
static bool take_message(struct relay *relay)
{
	char text[RELAY_BYTES];
	union control control;
	struct iovec part = {.iov_base = text, .iov_len = sizeof(text)};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	ssize_t got = recvmsg(relay->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct ucred who;

	if (got < 0)
		return errno == EINTR;
	who = take_control(relay, &message);
	relay->held = true;
	relay->bytes = relay_rewrite(text, (size_t)got, relay->self, relay->text, sizeof(relay->text));
	if (!is_believed(relay, &who) || relay->bytes == 0)
		drop_held(relay);
	return true;
}

/* False when the manager does not take it now. */
static bool pass_on(struct relay *relay)
{
	union control control = {0};
	struct iovec part = {.iov_base = relay->text, .iov_len = relay->bytes};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	if (relay->fd_count) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * relay->fd_count);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int) * relay->fd_count);
		memcpy(CMSG_DATA(&control.header), relay->fds, sizeof(int) * relay->fd_count);
	}
	if (sendmsg(relay->manager, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	drop_held(relay); /* sent, or the manager is gone: as lost as it would be without us */
	return true;
}

void relay_serve(struct relay *relay)
{
	for (int i = 0; i < A_TURN; i++) {
		if (relay->held ? !pass_on(relay) : !take_message(relay))
			return;
	}
}

void relay_leave(struct relay *relay)
{
	if (relay->fd < 0)
		return;
	drop_held(relay);
	close(relay->fd);
	close(relay->manager);
	relay->fd = -1;
}

void relay_finish(struct relay *relay)
{
	if (relay->fd >= 0)
		relay_serve(relay);
	relay_leave(relay);
}
