/* SPDX-License-Identifier: Apache-2.0 */
#include "supervise/handout.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "watch/procfs.h"

enum { BACKLOG = 512, A_TURN = 64 }; /* the rest waits for the next turn of the loop: signals come first */

/*
 * How many seccomp filters we run under. A service that has more has set its own, and the shim then tries
 * nothing that such a filter could punish.
 */
static long count_filters(void)
{
	char text[4096];
	const char *mode, *filters;
	long count = 0;

	if (proc_read("/proc/self/status", text, sizeof(text)) > 0) {
		mode = strstr(text, "\nSeccomp:");
		filters = strstr(text, "\nSeccomp_filters:");
		if (filters)
			count = atol(filters + strlen("\nSeccomp_filters:"));
		else if (mode && atol(mode + strlen("\nSeccomp:")))
			count = 1; /* kernels before 5.9 do not count them */
	}
	return count;
}

int handout_open(struct handout *out, const struct segment *segment, const struct kin_helpers *helpers)
{
	char tail[48];

	/* shim/near.h: where processes that may look into us find the memory by themselves */
	(void)snprintf(tail, sizeof(tail), "+%ld.%d.%llx", count_filters(), segment->fd,
		(unsigned long long)segment->header->created);
	*out = (struct handout){.segment = segment, .helpers = helpers, .self = getpid()};
	out->fd = names_bind_abstract(SOCK_SEQPACKET, "segment", tail, out->name);
	if (out->fd < 0)
		return out->fd;
	if (listen(out->fd, BACKLOG) < 0) {
		int error = errno;

		handout_close(out);
		return -error;
	}
	return 0;
}

static void answer(struct handout *handout, int peer)
{
	struct segment_grant grant = {.magic = SEGMENT_MAGIC, .bytes = handout->segment->bytes};
	struct ucred who = {0};
	socklen_t bytes = sizeof(who);

	if (getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &who, &bytes) < 0 ||
		!kin_is_service(handout->helpers, handout->self, who.pid)) {
		handout->refused++;
		return;
	}
	grant.pid = (uint32_t)who.pid;
	if (names_send_fd(peer, &grant, sizeof(grant), handout->segment->fd) == 0)
		handout->granted++; /* else it has given up already */
}

void handout_serve(struct handout *handout)
{
	for (int i = 0; i < A_TURN; i++) {
		int peer = accept4(handout->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (peer < 0)
			return;
		answer(handout, peer);
		close(peer);
	}
}

void handout_close(struct handout *handout)
{
	if (handout->fd >= 0)
		close(handout->fd);
	handout->fd = -1;
}
