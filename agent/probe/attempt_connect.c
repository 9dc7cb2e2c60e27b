/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names to addresses, addresses to connections. Each address gets an equal share of what is left, so that one
 * that swallows packets does not cost the others their turn.
 */
#include "probe/attempt.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "probe/resolver.h"

static void set_port(struct attempt_address *at, unsigned port)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&at->address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&at->address;

	if (at->address.ss_family == AF_INET)
		v4->sin_port = htons((uint16_t)port);
	else
		v6->sin6_port = htons((uint16_t)port);
}

static bool is_number(const char *host, struct attempt_address *out)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&out->address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&out->address;

	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		out->length = sizeof(*v4);
	} else if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		out->length = sizeof(*v6);
	}
	return out->length > 0;
}

static void fail_resolving(struct attempt *attempt, enum resolver_answer answer, const char *host, const char *why)
{
	if (answer == RESOLVER_NO_NAME)
		(void)attempt_fail(attempt, PROBE_DNS_NXDOMAIN, "%.100s: no such name", host);
	else
		(void)attempt_fail(attempt, PROBE_DNS_TIMEOUT, "%.100s: %s", host, why);
}

unsigned attempt_resolve(
	struct attempt *attempt, const char *host, unsigned port, struct attempt_address out[ATTEMPT_ADDRESSES])
{
	enum resolver_answer answer;
	unsigned count = 1;
	char why[80] = "";

	if (!is_number(host, &out[0])) {
		attempt_phase(attempt, PHASE_RESOLVE);
		answer = resolver_ask(host, attempt->deadline, out, &count, why, sizeof(why));
		if (answer != RESOLVER_GOOD) {
			fail_resolving(attempt, answer, host, why);
			return 0;
		}
	}
	for (unsigned i = 0; i < count; i++)
		set_port(&out[i], port);
	return count;
}

/* 0, or the errno of the connection, ETIMEDOUT when `until` has passed. */
static int await_connection(int fd, int64_t until)
{
	struct pollfd wait = {.fd = fd, .events = POLLOUT};
	int error = 0, ready = 0;
	socklen_t length = sizeof(error);

	for (int64_t left = until - clock_mono_ns(); left > 0 && ready <= 0; left = until - clock_mono_ns()) {
		ready = poll(&wait, 1, (int)((left + NS_PER_MS - 1) / NS_PER_MS));
		if (ready < 0 && errno != EINTR)
			return errno;
	}
	if (ready <= 0)
		return ETIMEDOUT;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0 ? errno : error;
}

/* A connected descriptor, or -errno. */
static int connect_one(struct attempt *attempt, const struct sockaddr *address, socklen_t length, int64_t until)
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), error = 0, on = 1;

	if (fd < 0)
		return -errno;
	attempt_note_address(attempt, address, length);
	attempt_hold(attempt, fd);
	if (address->sa_family != AF_UNIX)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* only slower without */
	if (connect(fd, address, length) < 0)
		error = errno == EINPROGRESS ? await_connection(fd, until) : errno;
	if (!error)
		return fd;
	attempt_hold(attempt, -1);
	close(fd);
	return -error;
}

static void fail_connecting(struct attempt *attempt, int error)
{
	char text[PROBE_ADDRESS];

	memcpy(text, attempt->result->address, sizeof(text));
	if (error == ETIMEDOUT)
		(void)attempt_fail(attempt, PROBE_CONNECT_TIMEOUT, "%s does not answer", text);
	else
		(void)attempt_fail_errno(attempt, error, text);
}

int attempt_connect(struct attempt *attempt, const char *host, unsigned port)
{
	struct attempt_address addresses[ATTEMPT_ADDRESSES];
	unsigned count = attempt_resolve(attempt, host, port, addresses);
	int fd = -ETIMEDOUT;

	if (!count)
		return -1;
	attempt_phase(attempt, PHASE_CONNECT);
	for (unsigned i = 0; i < count; i++) {
		int64_t now = clock_mono_ns(), share = (attempt->deadline - now) / (int64_t)(count - i);

		if (share <= 0)
			break;
		fd = connect_one(attempt, (struct sockaddr *)&addresses[i].address, addresses[i].length, now + share);
		if (fd >= 0)
			return fd;
	}
	resolver_doubt(host); /* it may have moved */
	fail_connecting(attempt, -fd);
	return -1;
}

int attempt_connect_unix(struct attempt *attempt, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	attempt_phase(attempt, PHASE_CONNECT);
	if (strlen(path) >= sizeof(address.sun_path)) {
		(void)attempt_fail(attempt, PROBE_INTERNAL, "the path of a unix socket has at most 107 bytes");
		return -1;
	}
	strcpy(address.sun_path, path); /* fits */
	while ((fd = connect_one(attempt, (struct sockaddr *)&address, sizeof(address), attempt->deadline)) == -EAGAIN) {
		/* its backlog is full, and nothing tells when it no longer is */
		if (poll(NULL, 0, 10) < 0 || !attempt_left_ms(attempt))
			break;
	}
	if (fd >= 0)
		return fd;
	fail_connecting(attempt, fd == -EAGAIN ? ETIMEDOUT : -fd);
	return -1;
}
