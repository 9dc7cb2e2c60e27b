/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peers: the siblings of this service, asked all at once by /health of their own lifesign. The value is the share of those
 * who answered that have a hard dependency down, or one that failed the last time: when that is most of them, the fault is
 * not this one's. Who does not answer says nothing, and neither do we ourselves. Who is asked out of turn (?suspect) looks
 * at its own dependencies at once. New connections each time: siblings come and go.
 */
#include "probe/kind.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

enum { PEERS = 64, HOSTS = 64, ANSWER_BYTES = 128 * 1024, DEFAULT_PORT = 8081 };

struct peer {
	struct attempt_address address;
	int fd;
	bool sent, done, answered, failing;
	size_t used;
	char *answer;
};

struct peers {
	const struct dependency *of;
	char request[2][384]; /* [1]: out of turn */
};

static int peers_open(const struct dependency *of, void **state, char *why, size_t why_bytes)
{
	struct peers *peers = calloc(1, sizeof(*peers));

	(void)why;
	(void)why_bytes;
	if (!peers)
		return -ENOMEM;
	peers->of = of;
	for (unsigned urgent = 0; urgent < 2; urgent++)
		(void)snprintf(peers->request[urgent], sizeof(peers->request[urgent]),
			"GET /health%s HTTP/1.0\r\nHost: %s\r\nUser-Agent: lifesign-prober\r\nAccept: application/health+json\r\n\r\n",
			urgent ? "?suspect" : "", of->at.host);
	*state = peers;
	return 0;
}

static bool same_host(const struct sockaddr *one, const struct sockaddr_storage *other)
{
	const struct sockaddr_in *v4 = (const void *)one, *other4 = (const void *)other;
	const struct sockaddr_in6 *v6 = (const void *)one, *other6 = (const void *)other;

	if (one->sa_family != other->ss_family)
		return false;
	if (one->sa_family == AF_INET)
		return v4->sin_addr.s_addr == other4->sin_addr.s_addr;
	return one->sa_family == AF_INET6 && !memcmp(&v6->sin6_addr, &other6->sin6_addr, sizeof(v6->sin6_addr));
}

/* A name of all siblings means us, too. An address of this machine is another one when it was written as a number. */
static bool is_ourselves(const struct ifaddrs *list, const struct sockaddr_storage *address)
{
	for (; list; list = list->ifa_next)
		if (list->ifa_addr && same_host(list->ifa_addr, address))
			return true;
	return false;
}

static bool is_number(const char *host)
{
	unsigned char bytes[16];

	return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/* "HOST:PORT", "[v6]:PORT", "HOST" */
static void split(char *text, char **host, unsigned *port)
{
	char *bracket = *text == '[' ? strchr(text, ']') : NULL, *colon = strchr(bracket ? bracket : text, ':');

	*host = bracket ? text + 1 : text;
	*port = colon ? (unsigned)strtoul(colon + 1, NULL, 10) : DEFAULT_PORT;
	if (bracket)
		*bracket = '\0';
	else if (colon)
		*colon = '\0';
}

static unsigned add_host(struct attempt *attempt, char *text, const struct ifaddrs *own, struct peer *list, unsigned count)
{
	struct attempt_address found[ATTEMPT_ADDRESSES];
	unsigned port, addresses;
	char *host;

	split(text, &host, &port);
	addresses = attempt_resolve(attempt, host, port, found);
	for (unsigned i = 0; i < addresses && count < PEERS; i++)
		if (is_number(host) || !is_ourselves(own, &found[i].address))
			list[count++] = (struct peer){.address = found[i], .fd = -1};
	return count;
}

static unsigned find_peers(struct attempt *attempt, const char *hosts, struct peer list[PEERS])
{
	struct ifaddrs *own = NULL;
	char text[DEPENDENCY_URL], *rest = text;
	unsigned count = 0;

	(void)snprintf(text, sizeof(text), "%s", hosts); /* the same size */
	if (getifaddrs(&own) < 0)
		own = NULL; /* then we count as one of them */
	for (unsigned i = 0; rest && i < HOSTS && !attempt_failed(attempt); i++)
		count = add_host(attempt, strsep(&rest, ","), own, list, count);
	if (own)
		freeifaddrs(own);
	return count;
}

static void end(struct peer *peer)
{
	if (peer->fd >= 0)
		close(peer->fd);
	peer->fd = -1;
	peer->done = true;
}

static void begin(struct peer *peer)
{
	peer->answer = malloc(ANSWER_BYTES);
	peer->fd = peer->answer ? socket(peer->address.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) : -1;
	if (peer->fd < 0 || (connect(peer->fd, (struct sockaddr *)&peer->address.address, peer->address.length) < 0 && errno != EINPROGRESS))
		end(peer);
}

static bool is_text(const json_t *of, const char *key, const char *wanted)
{
	const char *text = json_string_value(json_object_get(of, key));

	return text && !strcmp(text, wanted);
}

/* Has a check of the draft the class hard, and is it down or about to be? */
static bool has_hard_failure(const json_t *document)
{
	const json_t *checks = json_object_get(document, "checks"), *check;
	const char *name;

	json_object_foreach((json_t *)(uintptr_t)checks, name, check)
	{
		const json_t *first = json_array_get(check, 0);

		if (is_text(first, "class", "hard") &&
			(is_text(first, "state", "down") || json_integer_value(json_object_get(first, "consecutiveFailures")) > 0))
			return true;
	}
	return false;
}

static void read_answer(struct peer *peer)
{
	const char *body;
	json_t *document;

	peer->answer[peer->used] = '\0';
	body = strstr(peer->answer, "\r\n\r\n");
	document = body ? json_loadb(body + 4, peer->used - (size_t)(body + 4 - peer->answer), 0, NULL) : NULL;
	peer->answered = json_is_object(json_object_get(document, "checks"));
	peer->failing = peer->answered && has_hard_failure(document);
	json_decref(document);
}

static void go_on(struct peer *peer, const char *request)
{
	ssize_t got;

	if (!peer->sent) {
		peer->sent = send(peer->fd, request, strlen(request), MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)strlen(request);
		if (!peer->sent)
			end(peer); /* it fits into an empty buffer: it is refused, or worse */
		return;
	}
	got = recv(peer->fd, peer->answer + peer->used, ANSWER_BYTES - 1 - peer->used, MSG_DONTWAIT);
	if (got > 0)
		peer->used += (size_t)got;
	if (got == 0)
		read_answer(peer);
	if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR) || peer->used == ANSWER_BYTES - 1)
		end(peer);
}

/* False when all are done. */
static bool wait_for_some(struct peer *list, unsigned count, int ms, const char *request)
{
	struct pollfd waits[PEERS];
	unsigned open = 0;

	for (unsigned i = 0; i < count; i++) {
		waits[i] = (struct pollfd){.fd = list[i].fd, .events = list[i].sent ? POLLIN : POLLOUT};
		open += list[i].fd >= 0;
	}
	if (!open || poll(waits, count, ms) < 0)
		return open && errno == EINTR;
	for (unsigned i = 0; i < count; i++)
		if (waits[i].fd >= 0 && waits[i].revents)
			go_on(&list[i], request);
	return true;
}

static void sum_up(struct attempt *attempt, const struct peer *list, unsigned count)
{
	unsigned answered = 0, failing = 0;

	for (unsigned i = 0; i < count; i++) {
		answered += list[i].answered;
		failing += list[i].failing;
	}
	if (!answered)
		(void)attempt_fail(attempt, PROBE_TIMEOUT, "none of %u siblings answers", count);
	else
		attempt_value(attempt, (double)failing / answered);
}

static void peers_ask(void *state, struct attempt *attempt)
{
	static const int margin_ms = 50; /* an answer is told before the deadline is */
	struct peers *peers = state;
	struct peer *list = calloc(PEERS, sizeof(*list));
	const char *hosts = strstr(peers->of->url, "://");
	const char *request = peers->request[attempt->urgent];
	unsigned count = list ? find_peers(attempt, hosts ? hosts + 3 : peers->of->url, list) : 0;

	attempt_phase(attempt, PHASE_ASK);
	for (unsigned i = 0; i < count; i++)
		begin(&list[i]);
	while (attempt_left_ms(attempt) > margin_ms && wait_for_some(list, count, attempt_left_ms(attempt) - margin_ms, request))
		;
	if (!attempt_failed(attempt))
		sum_up(attempt, list, count);
	for (unsigned i = 0; i < count; i++) {
		end(&list[i]);
		free(list[i].answer);
	}
	free(list);
}

static void peers_close(void *state)
{
	free(state);
}

const struct probe_kind probe_kind = {.name = "peers", .open = peers_open, .ask = peers_ask, .close = peers_close};
