/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

/* Loopback answers at once or its queue is full. */
#define ATTEMPT_NS NS_PER_SECOND

void port_start(struct port_check *check, uint16_t port, int64_t period_ns)
{
	*check = (struct port_check){.port = port, .period_ns = period_ns, .fd = -1};
}

static int connect_loopback(const struct port_check *check, int fd)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(check->port), .sin6_addr = in6addr_loopback};
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(check->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	return check->v6 ? connect(fd, (struct sockaddr *)&v6, sizeof(v6)) : connect(fd, (struct sockaddr *)&v4, sizeof(v4));
}

static void finish(struct port_check *check, bool accepts, int64_t now)
{
	if (check->fd >= 0)
		close(check->fd);
	check->fd = -1;
	if (!accepts && !check->v6) { /* perhaps it listens on IPv6 only */
		check->v6 = true;
		check->next = now;
		return;
	}
	check->v6 = false;
	check->accepts = accepts;
	check->next = now + check->period_ns;
}

static void begin(struct port_check *check, int64_t now)
{
	check->fd = socket(check->v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	check->started = now;
	if (check->fd < 0)
		finish(check, false, now);
	else if (connect_loopback(check, check->fd) == 0)
		finish(check, true, now);
	else if (errno != EINPROGRESS)
		finish(check, false, now);
}

static void look(struct port_check *check, int64_t now)
{
	struct pollfd ready = {.fd = check->fd, .events = POLLOUT};
	int error = 0;
	socklen_t bytes = sizeof(error);

	if (poll(&ready, 1, 0) == 0) {
		if (now - check->started > ATTEMPT_NS)
			finish(check, false, now);
		return;
	}
	finish(check, getsockopt(check->fd, SOL_SOCKET, SO_ERROR, &error, &bytes) == 0 && error == 0, now);
}

void port_tick(struct port_check *check, int64_t now)
{
	if (!check->port)
		return;
	if (check->fd < 0 && now >= check->next)
		begin(check, now);
	if (check->fd >= 0)
		look(check, now);
}
