/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent is told of the services, and when: the second half of members.h.
 * Threads: the supervisor.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "supervise/members.h"

void members_agent_is_new(struct members *members)
{
	members->agent_told = false;
	members->gone_count = 0; /* it never heard of them */
	for (unsigned m = 0; m < members->count; m++)
		members->all[m]->told = members->all[m]->introduced = false;
}

static int send_news(int fd, const struct supervisor_news *news, const int *fds)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(2 * sizeof(int))];
	} control = {0};
	struct iovec part = {.iov_base = (void *)(uintptr_t)news, .iov_len = sizeof(*news)};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	if (fds) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(2 * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, 2 * sizeof(int));
	}
	return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int tell_member(struct member *member, int fd)
{
	const int fds[2] = {member->segment.fd, member->notebook_fd};
	int ret = send_news(fd, &member->news, member->introduced ? NULL : fds);

	if (ret == 0)
		member->told = member->introduced = true;
	return ret;
}

/* Those that are gone first: their names may be somebody else's by now. */
static int tell_gone(struct members *members, int fd)
{
	while (members->gone_count) {
		struct supervisor_news news = {.version = SUPERVISOR_NEWS_VERSION, .kind = NEWS_GONE,
			.service = members->gone[members->gone_count - 1]};
		int ret = send_news(fd, &news, NULL);

		if (ret < 0)
			return ret;
		members->gone_count--;
	}
	return 0;
}

static int tell_agent(struct members *members, int fd)
{
	struct supervisor_news news = {.version = SUPERVISOR_NEWS_VERSION, .kind = NEWS_AGENT, .drain_since = members->drain_since,
		.reloads = members->reloads};
	int ret = members->agent_told ? 0 : send_news(fd, &news, NULL);

	members->agent_told = ret == 0;
	return ret;
}

/* Another failure than a full socket: the agent is gone, its successor is told all of it. */
bool members_tell(struct members *members, int news_fd)
{
	int ret;

	if (news_fd < 0)
		return false;
	ret = tell_gone(members, news_fd);
	for (unsigned m = 0; ret == 0 && m < members->count; m++) {
		if (!members->all[m]->told)
			ret = tell_member(members->all[m], news_fd);
	}
	if (ret == 0)
		ret = tell_agent(members, news_fd); /* last: the mark that a new agent has heard of all */
	return ret == -EAGAIN;
}

void members_on_dead_hear(struct members *members, const struct agent_notice *notice)
{
	for (unsigned m = 0; m < members->count; m++) {
		struct member *member = members->all[m];

		if (member->news.service != notice->service)
			continue;
		log_about(member->news.name);
		if (on_dead_hear(members->on_dead, notice, &member->news))
			member->told = false;
		log_about(NULL);
	}
}

bool members_on_dead_reaped(struct members *members, pid_t pid, int status)
{
	const struct supervisor_news *news;
	bool ours = on_dead_reaped(members->on_dead, pid, status, &news);

	for (unsigned m = 0; news && m < members->count; m++) {
		if (&members->all[m]->news == news)
			members->all[m]->told = false;
	}
	return ours;
}
