/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

/* Waits for `events`: 0 or -errno. */
static int await(int fd, short events, int64_t deadline)
{
	struct pollfd wait = {.fd = fd, .events = events};

	for (;;) {
		int64_t left = deadline - clock_mono_ns();
		int ready = left > 0 ? poll(&wait, 1, (int)(left / NS_PER_MS) + 1) : 0;

		if (ready > 0)
			return 0;
		if (!ready)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

static int finish_connect(int fd, int64_t deadline)
{
	int error = 0, result = await(fd, POLLOUT, deadline);

	if (!result && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof(error)}))
		error = errno;
	return result ? result : -error;
}

int client_connect(const struct address *address, int64_t deadline)
{
	int result, fd = socket(address->socket.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	do {
		result = connect(fd, (const struct sockaddr *)&address->socket, address->bytes) ? -errno : 0;
		if (result == -EAGAIN)
			(void)poll(NULL, 0, 10); /* a unix socket's full queue has no event to wait for */
	} while (result == -EAGAIN && clock_mono_ns() < deadline);
	if (result == -EINPROGRESS)
		result = finish_connect(fd, deadline);
	if (!result)
		return fd;
	(void)close(fd); /* was never connected */
	return result == -EAGAIN ? -ETIMEDOUT : result;
}

static int send_all(int fd, const char *text, size_t bytes, int64_t deadline)
{
	while (bytes) {
		ssize_t sent = send(fd, text, bytes, MSG_NOSIGNAL);
		int result;

		if (sent > 0) {
			text += sent;
			bytes -= (size_t)sent;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		result = await(fd, POLLOUT, deadline);
		if (result)
			return result;
	}
	return 0;
}

/* Makes room for more, doubling: 0 or -errno. */
static int grow(char **text, size_t used, size_t *size)
{
	size_t next = *size ? *size * 2 : 16384;
	char *more;

	if (used + 1 < *size)
		return 0;
	if (next > (size_t)CLIENT_BYTES * 2)
		return -EMSGSIZE;
	more = realloc(*text, next);
	if (!more)
		return -ENOMEM;
	*text = more;
	*size = next;
	return 0;
}

/* Until the other side closes; `*used` bytes and a zero byte. */
static int receive_all(int fd, char **text, size_t *used, int64_t deadline)
{
	size_t size = 0;

	for (*used = 0;;) {
		int result = *used > CLIENT_BYTES ? -EMSGSIZE : grow(text, *used, &size);
		ssize_t got;

		if (!result)
			result = await(fd, POLLIN, deadline);
		if (result)
			return result;
		got = recv(fd, *text + *used, size - *used - 1, 0);
		if (got < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (!got)
			break;
		*used += got > 0 ? (size_t)got : 0;
	}
	(*text)[*used] = 0;
	return 0;
}

/* The value of a header within `head`, or NULL; it ends at the line's end. */
static const char *find_header(const char *head, const char *name)
{
	size_t length = strlen(name);

	for (const char *line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n"))
		if (!strncasecmp(line + 2, name, length) && line[2 + length] == ':')
			return line + 3 + length + strspn(line + 3 + length, " \t");
	return NULL;
}

/* Joins the chunks in place. HTTP/1.0 should keep servers from sending any. */
static int join_chunks(char *body, size_t *bytes)
{
	char *in = body, *out = body, *last = body + *bytes;

	for (;;) {
		char *line, *end;
		unsigned long chunk = strtoul(in, &end, 16);

		line = strstr(end, "\r\n");
		if (end == in || !line || chunk > (size_t)(last - line - 2))
			return -EPROTO;
		if (!chunk)
			break;
		memmove(out, line + 2, chunk);
		out += chunk;
		in = line + 2 + chunk;
		if (strncmp(in, "\r\n", 2))
			return -EPROTO;
		in += 2;
	}
	*out = 0;
	*bytes = (size_t)(out - body);
	return 0;
}

static int parse_reply(struct client_reply *reply, size_t used)
{
	char *end = strstr(reply->whole, "\r\n\r\n");
	const char *length, *encoding, *verdict;

	if (!end || sscanf(reply->whole, "HTTP/%*1u.%*1u %3u", &reply->status) != 1)
		return -EPROTO;
	reply->body = end + 4;
	reply->bytes = used - (size_t)(reply->body - reply->whole);
	end[2] = 0;
	verdict = find_header(reply->whole, "Lifesign-Verdict");
	if (verdict)
		(void)snprintf(
			reply->verdict, sizeof(reply->verdict), "%.*s", (int)strcspn(verdict, "\r\n"), verdict);
	encoding = find_header(reply->whole, "Transfer-Encoding");
	if (encoding && !strncasecmp(encoding, "chunked", 7))
		return join_chunks(reply->body, &reply->bytes);
	length = find_header(reply->whole, "Content-Length");
	if (length && strtoull(length, NULL, 10) != reply->bytes)
		return -EPROTO; /* cut off on the way */
	return 0;
}

int client_ask_by(const struct client_place *place, const char *method, const char *path, int64_t deadline,
	struct client_reply *out)
{
	struct client_reply reply = {0};
	char request[1024];
	size_t used = 0;
	int result, fd = client_connect(&place->address, deadline);

	if (fd < 0)
		return fd;
	result = snprintf(request, sizeof(request),
		"%s %s%s HTTP/1.0\r\nHost: %s\r\nConnection: close\r\n%s\r\n", method, place->prefix, path,
		place->host, strcmp(method, "POST") ? "" : "Content-Length: 0\r\n"); /* fits: hosts are short */
	result = send_all(fd, request, (size_t)result, deadline);
	if (!result)
		result = receive_all(fd, &reply.whole, &used, deadline);
	if (!result)
		result = parse_reply(&reply, used);
	(void)close(fd); /* everything was read */
	if (result) {
		free(reply.whole);
		return result;
	}
	*out = reply;
	return 0;
}

int client_ask(const struct client_place *place, const char *method, const char *path, struct client_reply *out)
{
	return client_ask_by(place, method, path, clock_mono_ns() + CLIENT_MS * NS_PER_MS, out);
}

int client_complain(const struct client_place *place, int error)
{
	if (error == -ECONNREFUSED || error == -ENOENT)
		cli_complain("no agent: %s (%s)", place->name, strerror(-error));
	else
		cli_complain("%s does not answer as an agent does (%s)", place->name, strerror(-error));
	return EXIT_NO_AGENT;
}

void client_free(struct client_reply *reply)
{
	free(reply->whole);
	*reply = (struct client_reply){0};
}
