/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RESOLVE_MS = 2000, HOST_BYTES = 256 };

/* owner: the thread, from the moment it runs; it answers by one write into `pipe` and frees it */
struct question {
	char host[HOST_BYTES], port[8];
	int pipe;
};

/* owner: main; travels through the pipe */
struct answer {
	int error;
	struct address address;
};

/* Owns its question; may block as long as the resolver does; stops when that returns. */
static void *resolve_main(void *argument)
{
	struct question *question = argument;
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *list = NULL;
	ssize_t written;
	struct answer answer = {.error = getaddrinfo(question->host, question->port, &hints, &list)};

	if (!answer.error && list->ai_addrlen <= sizeof(answer.address.socket)) {
		memcpy(&answer.address.socket, list->ai_addr, list->ai_addrlen);
		answer.address.bytes = list->ai_addrlen;
	}
	if (list)
		freeaddrinfo(list);
	written = write(question->pipe, &answer, sizeof(answer));
	(void)written; /* the reader's end stays open: it fits, it may only be that nobody reads it any more */
	(void)close(question->pipe);
	free(question);
	return NULL;
}

static int split(const char *text, struct question *question)
{
	const char *colon = strrchr(text, ':');
	size_t digits = colon ? strspn(colon + 1, "0123456789") : 0;

	if (!colon || !digits || digits > 5 || colon[1 + digits] || colon - text >= HOST_BYTES ||
		atoi(colon + 1) > 65535)
		return -EINVAL;
	if (memchr(text, ':', (size_t)(colon - text)) || memchr(text, '[', (size_t)(colon - text)))
		return -EINVAL; /* an address, but not a valid one */
	memcpy(question->host, text, (size_t)(colon - text));
	strcpy(question->port, colon + 1); /* five digits */
	return 0;
}

static int await_answer(int fd, struct address *out, char *why, size_t why_bytes)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	struct answer answer;

	if (poll(&wait, 1, RESOLVE_MS) != 1 || read(fd, &answer, sizeof(answer)) != sizeof(answer)) {
		(void)snprintf(why, why_bytes, "looking the name up took too long");
		return -ETIMEDOUT;
	}
	if (answer.error) {
		(void)snprintf(why, why_bytes, "%s", gai_strerror(answer.error));
		return -EHOSTUNREACH;
	}
	*out = answer.address;
	return 0;
}

int resolve_host(const char *host_and_port, struct address *out, char *why, size_t why_bytes)
{
	struct question *question = calloc(1, sizeof(*question));
	int ends[2], result = question ? split(host_and_port, question) : -ENOMEM;
	pthread_t thread;

	if (!result && pipe2(ends, O_CLOEXEC))
		result = -errno;
	if (result) {
		free(question);
		return result;
	}
	question->pipe = ends[1];
	result = -pthread_create(&thread, NULL, resolve_main, question);
	if (result) {
		(void)close(ends[1]); /* never used */
		free(question);
	} else {
		(void)pthread_detach(thread); /* exists: just made */
		result = await_answer(ends[0], out, why, why_bytes);
	}
	if (result != -ETIMEDOUT)
		(void)close(ends[0]); /* only read; else the thread still writes into it */
	return result;
}
