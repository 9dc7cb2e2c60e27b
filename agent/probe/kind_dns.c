/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dns: does this server (or the system's, without one) know an address of `query`? Asked through c-ares, which
 * never reads /etc/hosts here and keeps nothing: a new channel for each question, because over UDP nothing is
 * connected. Threads, failure: see kind.h. Memory: a channel while it asks.
 */
#include <ares.h>
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/kind.h"

enum {
	SERVER = INET6_ADDRSTRLEN + 16,
	TRIES = 3,  /* a lost packet is no outage; each try waits twice as long as the one before */
	SHARES = 8, /* 1 + 2 + 4, and one to say so in */
	ADDRESSES = 64,
	/* NOCHECKRESP: what the server says is told as it is, not taken for a reason to ask another one */
	FLAGS = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_NOCHECKRESP
};

struct question {
	bool done, found; /* answered; `expect` is among the addresses */
	bool refused;     /* a packet came back: c-ares forgets it when a later or an earlier try was late */
	int status;       /* of c-ares */
	unsigned count;   /* of addresses */
	int family;
	const char *expect;
};

static int open_dns(const struct dependency *of, void **state, char *why, size_t why_bytes)
{
	if (!of->ask[0]) {
		snprintf(why, why_bytes, "query: a name is missing");
		return -EINVAL;
	}
	*state = NULL; /* the dependency says all */
	return 0;
}

static void close_dns(void *state)
{
	(void)state;
}

static void see_address(struct question *question, const void *address)
{
	unsigned char expected[sizeof(struct in6_addr)]; /* an IPv6 address can be written in many ways */

	question->found |= inet_pton(question->family, question->expect, expected) == 1 &&
			   memcmp(expected, address, question->family == AF_INET6 ? 16 : 4) == 0;
	question->count++;
}

static void read_answer(struct question *question, const unsigned char *bytes, int count)
{
	struct ares_addrttl four[ADDRESSES];
	struct ares_addr6ttl six[ADDRESSES];
	int n = ADDRESSES;

	question->status = question->family == AF_INET6 ? ares_parse_aaaa_reply(bytes, count, NULL, six, &n)
							: ares_parse_a_reply(bytes, count, NULL, four, &n);
	for (int i = 0; question->status == ARES_SUCCESS && i < n; i++)
		see_address(question,
			question->family == AF_INET6 ? (const void *)&six[i].ip6addr : &four[i].ipaddr);
	if (question->status == ARES_SUCCESS && question->count == 0)
		question->status = ARES_ENODATA;
}

static void take_answer(void *data, int status, int timeouts, unsigned char *bytes, int count)
{
	struct question *question = data;

	(void)timeouts;
	question->done = true;
	question->status = status;
	if (status == ARES_SUCCESS)
		read_answer(question, bytes, count);
}

static bool give_server(struct attempt *attempt, ares_channel channel)
{
	const struct dependency_url *at = &attempt->of->at;
	struct attempt_address addresses[ATTEMPT_ADDRESSES];
	char host[INET6_ADDRSTRLEN], server[SERVER];

	if (!at->host[0])
		return true;
	if (!attempt_resolve(attempt, at->host, at->port, addresses))
		return false;
	attempt_note_address(attempt, (struct sockaddr *)&addresses[0].address, addresses[0].length);
	if (getnameinfo((struct sockaddr *)&addresses[0].address, addresses[0].length, host, sizeof host, NULL,
		    0, NI_NUMERICHOST) != 0)
		return attempt_fail(attempt, PROBE_INTERNAL, "an address that is none");
	snprintf(server, sizeof server, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, at->port);
	return ares_set_servers_ports_csv(channel, server) == ARES_SUCCESS ||
	       attempt_fail(attempt, PROBE_INTERNAL, "c-ares does not take %s", server);
}

static ares_channel make_channel(struct attempt *attempt)
{
	int left = attempt_left_ms(attempt);
	struct ares_options options = {
		.flags = FLAGS, .tries = TRIES, .timeout = left > SHARES * 20 ? left / SHARES : 20};
	char lookups[] = "b";
	ares_channel channel = NULL;

	options.lookups = lookups;
	if (ares_init_options(&channel, &options,
		    ARES_OPT_FLAGS | ARES_OPT_TRIES | ARES_OPT_TIMEOUTMS | ARES_OPT_LOOKUPS) == ARES_SUCCESS)
		return channel;
	attempt_fail(attempt, PROBE_INTERNAL, "c-ares does not start");
	return NULL;
}

/* c-ares runs its timers too, after what it read: it takes one socket at a time. */
static void read_socket(ares_channel channel, const struct pollfd *fd)
{
	ares_process_fd(channel, fd->revents & ~POLLOUT ? fd->fd : ARES_SOCKET_BAD,
		fd->revents & POLLOUT ? fd->fd : ARES_SOCKET_BAD);
}

/* One turn: waits for a socket, for c-ares' own timer, or for the end of the time. What has come is read before
 * the timers run: on a machine that stood still both are due, and the answer is the better one. */
static void turn(ares_channel channel, int left, struct question *question)
{
	ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
	struct pollfd fds[ARES_GETSOCK_MAXNUM];
	struct timeval most = {.tv_sec = left / 1000, .tv_usec = left % 1000 * 1000}, room, *wait;
	unsigned bits = (unsigned)ares_getsock(channel, sockets, ARES_GETSOCK_MAXNUM);
	nfds_t count = 0;

	for (int i = 0; i < ARES_GETSOCK_MAXNUM; i++) {
		/* as ARES_GETSOCK_READABLE and _WRITABLE, whose shifts of an int overflow */
		short events = (short)((bits >> i & 1 ? POLLIN : 0) |
				       (bits >> (i + ARES_GETSOCK_MAXNUM) & 1 ? POLLOUT : 0));

		if (events)
			fds[count++] = (struct pollfd){.fd = sockets[i], .events = events};
	}
	wait = ares_timeout(channel, &most, &room);
	poll(fds, count, (int)(wait->tv_sec * 1000 + (wait->tv_usec + 999) / 1000));
	for (nfds_t i = 0; i < count; i++) {
		question->refused |= (fds[i].revents & POLLERR) != 0;
		if (fds[i].revents)
			read_socket(channel, &fds[i]);
	}
	ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD); /* timers */
}

static void ask_for(struct attempt *attempt, ares_channel channel, int family, struct question *question)
{
	int left;

	*question = (struct question){.family = family, .expect = attempt->of->expect, .status = ARES_ETIMEOUT};
	ares_query(channel, attempt->of->ask, ns_c_in, family == AF_INET6 ? ns_t_aaaa : ns_t_a, take_answer,
		question);
	while (!question->done && (left = attempt_left_ms(attempt)) > 0)
		turn(channel, left, question);
	ares_cancel(channel); /* nothing more is told to `question` */
	if (question->refused && attempt->of->at.host[0] &&
		(question->status == ARES_ETIMEOUT || question->status == ARES_ECANCELLED))
		question->status = ARES_ECONNREFUSED;
}

static void judge_status(struct attempt *attempt, int status)
{
	static const struct {
		int status;
		enum probe_error error;
		const char *text;
	} rows[] = {{ARES_ENOTFOUND, PROBE_DNS_NXDOMAIN, "no such name"},
		{ARES_ENODATA, PROBE_DNS_NXDOMAIN, "the name has no address"},
		{ARES_ETIMEOUT, PROBE_DNS_TIMEOUT, "no answer"},
		{ARES_ECANCELLED, PROBE_DNS_TIMEOUT, "no answer"},
		{ARES_ESERVFAIL, PROBE_NOT_READY, "SERVFAIL: the server cannot tell"},
		{ARES_EREFUSED, PROBE_AUTH_FAILED, "REFUSED: the server does not answer us"},
		{ARES_ECONNREFUSED, PROBE_REFUSED, "nobody listens there"},
		{ARES_EBADNAME, PROBE_INTERNAL, "the query is no name"},
		{ARES_ENOMEM, PROBE_INTERNAL, "out of memory"}};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (rows[i].status == status) {
			attempt_fail(attempt, rows[i].error, "%.100s: %s", attempt->of->ask, rows[i].text);
			return;
		}
	attempt_fail(attempt, PROBE_PROTOCOL_ERROR, "%.100s: %s", attempt->of->ask, ares_strerror(status));
}

static void judge(struct attempt *attempt, const struct question *question)
{
	if (question->status != ARES_SUCCESS) {
		judge_status(attempt, question->status);
		return;
	}
	attempt_value(attempt, question->count);
	if (attempt->of->expect[0] && !question->found)
		attempt_fail(attempt, PROBE_NOT_READY, "%.60s: %.60s is not among its %u addresses",
			attempt->of->ask, attempt->of->expect, question->count);
}

static void ask_dns(void *state, struct attempt *attempt)
{
	bool only_six = strchr(attempt->of->expect, ':');
	struct question question;
	ares_channel channel;

	(void)state;
	attempt_phase(attempt, PHASE_RESOLVE); /* what is late is late in this one */
	channel = make_channel(attempt);
	if (channel && give_server(attempt, channel)) {
		ask_for(attempt, channel, only_six ? AF_INET6 : AF_INET, &question);
		if (question.status == ARES_ENODATA && !only_six)
			ask_for(attempt, channel, AF_INET6, &question);
		judge(attempt, &question);
	}
	if (channel)
		ares_destroy(channel);
}

const struct probe_kind probe_kind = {.name = "dns", .open = open_dns, .ask = ask_dns, .close = close_dns};
