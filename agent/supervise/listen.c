/* SPDX-License-Identifier: Apache-2.0 */
#include "supervise/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/address.h"
#include "supervise/directory.h"

enum { BACKLOG = 512 };

static int set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value));
}

static int open_tcp(const struct address *address)
{
	int family = address->socket.ss_family, fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	(void)set(fd, SOL_SOCKET, SO_REUSEADDR, 1); /* without it bind says so */
	if (family == AF_INET6)
		(void)set(fd, IPPROTO_IPV6, IPV6_V6ONLY, !address->any);
	if (bind(fd, (const struct sockaddr *)&address->socket, address->bytes) < 0 || listen(fd, BACKLOG) < 0) {
		int error = errno;

		close(fd);
		return -error;
	}
	return fd;
}

/* :PORT where IPv6 is switched off. */
static struct address to_ipv4(const struct address *any)
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&any->socket;
	struct address address = {.bytes = sizeof(struct sockaddr_in)};
	struct sockaddr_in *four = (struct sockaddr_in *)&address.socket;

	four->sin_family = AF_INET;
	four->sin_port = six->sin6_port;
	return address;
}

/* "http://ADDR:PORT" of what was really bound: port 0 has become a number. */
static void describe(int fd, char *out, size_t bytes)
{
	struct sockaddr_storage bound = {0};
	socklen_t size = sizeof(bound);
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&bound;
	const struct sockaddr_in *four = (const struct sockaddr_in *)&bound;
	char text[INET6_ADDRSTRLEN] = "?";

	(void)getsockname(fd, (struct sockaddr *)&bound, &size);
	if (bound.ss_family == AF_INET6) {
		(void)inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof(text));
		(void)snprintf(out, bytes, "http://[%s]:%u", text, ntohs(six->sin6_port));
	} else {
		(void)inet_ntop(AF_INET, &four->sin_addr, text, sizeof(text));
		(void)snprintf(out, bytes, "http://%s:%u", text, ntohs(four->sin_port));
	}
}

static int add_tcp(struct listen *listening, const struct address *address)
{
	struct child_listener *added = &listening->all[listening->count];
	int fd = open_tcp(address);

	if (fd < 0 && address->any && (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL)) {
		struct address four = to_ipv4(address);

		fd = open_tcp(&four);
	}
	if (fd < 0)
		return fd;
	*added = (struct child_listener){.fd = fd, .kind = LISTENER_TCP, .loopback = address_is_loopback(address)};
	describe(fd, added->address, sizeof(added->address));
	listening->count++;
	return 0;
}

static const char *advice(int error)
{
	switch (error) {
	case EADDRINUSE: return "another process listens there: choose another --listen, or end it";
	case EACCES:
	case EPERM: return "not permitted: a port below 1024 needs CAP_NET_BIND_SERVICE, a socket file a writable directory";
	case EADDRNOTAVAIL: return "no interface of this machine has that address";
	default: return strerror(error);
	}
}

static int status_for(int error)
{
	if (error == EADDRINUSE)
		return FAILURE_PORT_TAKEN;
	return error == EACCES || error == EPERM ? FAILURE_NOT_PERMITTED : FAILURE_CONFIG;
}

__attribute__((format(printf, 2, 3)))
static void note(struct listen *listening, const char *format, ...)
{
	va_list arguments;

	if (listening->note_count == LISTEN_NOTES)
		return;
	va_start(arguments, format);
	(void)vsnprintf(listening->notes[listening->note_count++], LISTEN_NOTE_BYTES, format, arguments);
	va_end(arguments);
}

static int add_asked(struct listen *listening, const char *text, bool asked, struct failure *why)
{
	struct address address;
	char wrong[256];
	int ret;

	if (address_parse(text, &address, wrong, sizeof(wrong)) < 0)
		return failure_set(why, FAILURE_CONFIG, "cannot listen on %s: %s; allowed: " ADDRESS_ALLOWED, text, wrong);
	if (address.socket.ss_family == AF_UNIX)
		ret = listen_add_unix(listening, ((struct sockaddr_un *)&address.socket)->sun_path);
	else
		ret = add_tcp(listening, &address);
	if (ret == 0)
		return 0;
	if (asked)
		return failure_set(why, status_for(-ret), "cannot listen on %s: %s", text, advice(-ret));
	note(listening, "the default port %s cannot be had (%s): only the socket file answers",
		text, strerror(-ret));
	return 0;
}

/* Never a reason not to run COMMAND: a read-only root is common, and there is the port. */
static void add_socket_file(struct listen *listening, const struct settings *settings)
{
	char path[SETTINGS_PATH + SERVICE_NAME_BYTES + 32];
	int dir = directory_open(settings->dir), ret = dir;

	if (dir >= 0) {
		close(dir);
		(void)snprintf(path, sizeof(path), "%s/%s.sock", settings->dir, settings->service);
		ret = listen_add_unix(listening, path);
	}
	if (ret == -EADDRINUSE || ret == -EEXIST) {
		note(listening, "%s belongs to another: this one is %s-%d.sock", path,
			settings->service, getpid());
		(void)snprintf(path, sizeof(path), "%s/%s-%d.sock", settings->dir, settings->service, getpid());
		ret = listen_add_unix(listening, path);
	}
	if (ret < 0)
		note(listening, "no socket file in %s (%s): `check` and `status` need --url; see --dir",
			settings->dir, ret == -EPERM ? "others could write there" : strerror(-ret));
}

int listen_open(struct listen *out, const struct settings *settings, struct failure *why)
{
	*out = (struct listen){0};
	for (unsigned i = 0; i < settings->listens; i++) {
		if (add_asked(out, settings->listen[i], settings->listen_asked, why)) {
			listen_close(out);
			return why->status;
		}
	}
	add_socket_file(out, settings);
	return 0;
}
