/* SPDX-License-Identifier: Apache-2.0 */
#include "base/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOST_BYTES = INET6_ADDRSTRLEN };

static int refuse(char *why, size_t why_bytes, const char *text, const char *reason)
{
	if (why)
		(void)snprintf(why, why_bytes, "found '%.200s'%s%s, allowed: " ADDRESS_ALLOWED, text,
			*reason ? ": " : "", reason); /* cut when too long */
	return -EINVAL;
}

/* 0..65535 in plain digits, or -1. */
static long parse_port(const char *text)
{
	size_t digits = strspn(text, "0123456789");
	long port;

	if (!digits || digits > 5 || text[digits])
		return -1;
	port = strtol(text, NULL, 10);
	return port <= 65535 ? port : -1;
}

static int parse_unix(const char *path, struct address *out)
{
	struct sockaddr_un *socket = (struct sockaddr_un *)&out->socket;

	if (path[0] != '/' || !path[1] || strlen(path) >= sizeof(socket->sun_path))
		return -EINVAL;
	socket->sun_family = AF_UNIX;
	strcpy(socket->sun_path, path); /* fits: looked at above */
	out->bytes = sizeof(*socket);
	return 0;
}

static int set_v4(const char *host, in_port_t port, struct address *out)
{
	struct sockaddr_in *socket = (struct sockaddr_in *)&out->socket;

	if (inet_pton(AF_INET, host, &socket->sin_addr) != 1)
		return -EINVAL;
	socket->sin_family = AF_INET;
	socket->sin_port = port;
	out->bytes = sizeof(*socket);
	return 0;
}

static int set_v6(const char *host, in_port_t port, struct address *out)
{
	struct sockaddr_in6 *socket = (struct sockaddr_in6 *)&out->socket;

	if (inet_pton(AF_INET6, host, &socket->sin6_addr) != 1)
		return -EINVAL;
	socket->sin6_family = AF_INET6;
	socket->sin6_port = port;
	out->bytes = sizeof(*socket);
	return 0;
}

/* `host` is what stood before the port's colon, brackets included. */
static int set_host(char *host, in_port_t port, struct address *out)
{
	size_t length = strlen(host);

	if (!length) {
		out->any = true;
		return set_v6("::", port, out);
	}
	if (host[0] == '[' && host[length - 1] == ']') {
		host[length - 1] = 0;
		return set_v6(host + 1, port, out);
	}
	return set_v4(strcmp(host, "localhost") ? host : "127.0.0.1", port, out);
}

int address_parse(const char *text, struct address *out, char *why, size_t why_bytes)
{
	const char *colon = strrchr(text, ':');
	struct address address = {0};
	char host[HOST_BYTES + 2];
	long port;

	if (!strncmp(text, "unix:", 5)) {
		if (parse_unix(text + 5, &address))
			return refuse(
				why, why_bytes, text, "the path must start with / and have at most 107 bytes");
		*out = address;
		return 0;
	}
	if (!colon || (size_t)(colon - text) >= sizeof(host))
		return refuse(why, why_bytes, text, "");
	port = parse_port(colon + 1);
	if (port < 0)
		return refuse(why, why_bytes, text, "the port must be a number from 0 to 65535");
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = 0;
	if (set_host(host, htons((in_port_t)port), &address))
		return refuse(why, why_bytes, text, "the address must be a number or localhost");
	*out = address;
	return 0;
}

bool address_is_loopback(const struct address *address)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address->socket;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address->socket;

	if (address->socket.ss_family == AF_INET)
		return ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	if (address->socket.ss_family != AF_INET6)
		return false;
	if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		return v6->sin6_addr.s6_addr[12] == IN_LOOPBACKNET;
	return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}
