/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/resolver.h"

#include <ares.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

enum { QUERY_MS = 1000, QUERY_TRIES = 2, IDLE_S = 60 };

/* With a good address at hand nobody waits longer for a better one. */
#define PATIENCE_NS (300 * NS_PER_MS)
#define TTL_LEAST_NS NS_PER_SECOND
#define TTL_MOST_NS (60 * NS_PER_SECOND)

struct name {
	char host[DEPENDENCY_TEXT]; /* empty: free */
	bool wanted, asking;
	unsigned answers; /* how often an answer came; another value wakes who waits */
	enum resolver_answer last;
	char why[80];
	struct attempt_address good[ATTEMPT_ADDRESSES];
	unsigned count, turn;
	int64_t fresh_until, asked_since, used; /* CLOCK_MONOTONIC ns */
};

/* Everything but `channel` under the lock; the channel is the thread's own. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t answered; /* CLOCK_MONOTONIC */
	struct name names[RESOLVER_NAMES];
	bool running;
	int wake; /* eventfd */
	ares_channel channel;
	struct timespec configured; /* mtime of resolv.conf as it was read */
} resolver = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const char resolv_conf[] = "/etc/resolv.conf";

/* ---- the thread ---- */

static unsigned take_addresses(const struct ares_addrinfo *list, struct name *name, int64_t *ttl)
{
	unsigned count = 0;

	*ttl = TTL_MOST_NS;
	for (const struct ares_addrinfo_node *node = list->nodes; node && count < ATTEMPT_ADDRESSES; node = node->ai_next) {
		if (node->ai_addrlen > sizeof(name->good[0].address))
			continue;
		memset(&name->good[count], 0, sizeof(name->good[count]));
		memcpy(&name->good[count].address, node->ai_addr, node->ai_addrlen);
		name->good[count++].length = node->ai_addrlen;
		if (node->ai_ttl * NS_PER_SECOND < *ttl)
			*ttl = node->ai_ttl * NS_PER_SECOND;
	}
	return count;
}

static void take_answer(struct name *name, int status, const struct ares_addrinfo *list)
{
	int64_t ttl;
	unsigned count = status == ARES_SUCCESS ? take_addresses(list, name, &ttl) : 0;

	if (count) {
		name->count = count;
		name->fresh_until = clock_mono_ns() + (ttl > TTL_LEAST_NS ? ttl : TTL_LEAST_NS);
		name->last = RESOLVER_GOOD;
	} else if (status == ARES_SUCCESS || status == ARES_ENOTFOUND || status == ARES_ENODATA ||
		   status == ARES_EBADNAME) {
		name->count = 0;
		name->last = RESOLVER_NO_NAME;
	} else {
		name->last = RESOLVER_FAILED;
	}
	(void)snprintf(name->why, sizeof(name->why), "%s", ares_strerror(status)); /* cut when long */
}

static void on_answer(void *argument, int status, int timeouts, struct ares_addrinfo *list)
{
	struct name *name = argument;

	(void)timeouts;
	(void)pthread_mutex_lock(&resolver.lock);
	name->asking = false;
	if (status == ARES_EDESTRUCTION || status == ARES_ECANCELLED) {
		name->wanted = true; /* resolv.conf has changed: asked again */
	} else {
		take_answer(name, status, list);
		name->answers++;
		(void)pthread_cond_broadcast(&resolver.answered);
	}
	(void)pthread_mutex_unlock(&resolver.lock);
	if (list)
		ares_freeaddrinfo(list);
}

/* Opens a channel by what resolv.conf says now. False: no memory, or no such library. */
static bool open_channel(void)
{
	struct ares_options options = {.timeout = QUERY_MS, .tries = QUERY_TRIES};
	struct stat status = {0};

	if (resolver.channel && !stat(resolv_conf, &status) &&
		!memcmp(&status.st_mtim, &resolver.configured, sizeof(status.st_mtim)))
		return true;
	if (resolver.channel)
		ares_destroy(resolver.channel);
	resolver.channel = NULL;
	resolver.configured = stat(resolv_conf, &status) ? (struct timespec){0} : status.st_mtim;
	return ares_init_options(&resolver.channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES) == ARES_SUCCESS;
}

static struct name *take_wanted(void)
{
	struct name *found = NULL;

	(void)pthread_mutex_lock(&resolver.lock);
	for (unsigned i = 0; i < RESOLVER_NAMES && !found; i++)
		if (resolver.names[i].wanted && !resolver.names[i].asking)
			found = &resolver.names[i];
	if (found) {
		found->wanted = false;
		found->asking = true;
		found->asked_since = clock_mono_ns();
	}
	(void)pthread_mutex_unlock(&resolver.lock);
	return found;
}

static void ask_wanted(void)
{
	static const struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct name *name;

	if (!open_channel())
		return;
	while ((name = take_wanted()))
		ares_getaddrinfo(resolver.channel, name->host, NULL, &hints, on_answer, name);
}

static int timeout_ms(void)
{
	struct timeval most = {.tv_sec = resolver.channel ? IDLE_S : 1}, room, *left = &most;

	if (resolver.channel)
		left = ares_timeout(resolver.channel, &most, &room);
	return (int)(left->tv_sec * 1000 + (left->tv_usec + 999) / 1000);
}

static void wait_and_process(void)
{
	ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
	struct pollfd waits[ARES_GETSOCK_MAXNUM + 1] = {{.fd = resolver.wake, .events = POLLIN}};
	unsigned bits = resolver.channel ? (unsigned)ares_getsock(resolver.channel, sockets, ARES_GETSOCK_MAXNUM) : 0;
	unsigned count = 1;
	uint64_t woken;

	for (unsigned i = 0; i < ARES_GETSOCK_MAXNUM; i++) {
		/* as ARES_GETSOCK_READABLE and _WRITABLE, whose shifts of an int overflow */
		short events = (short)((bits >> i & 1 ? POLLIN : 0) | (bits >> (i + ARES_GETSOCK_MAXNUM) & 1 ? POLLOUT : 0));

		if (events)
			waits[count++] = (struct pollfd){.fd = sockets[i], .events = events};
	}
	if (poll(waits, count, timeout_ms()) > 0 && waits[0].revents &&
		read(resolver.wake, &woken, sizeof(woken)) < 0 && errno != EAGAIN)
		return;
	if (!resolver.channel)
		return;
	ares_process_fd(resolver.channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD); /* what has timed out */
	for (unsigned i = 1; i < count; i++)
		if (waits[i].revents)
			ares_process_fd(resolver.channel, waits[i].revents & ~POLLOUT ? waits[i].fd : ARES_SOCKET_BAD,
				waits[i].revents & POLLOUT ? waits[i].fd : ARES_SOCKET_BAD);
}

/* Owns the channel; lives as long as the process. */
static void *resolver_main(void *nothing)
{
	(void)nothing;
	for (;;) {
		ask_wanted();
		wait_and_process();
	}
	return NULL;
}

/* ---- who asks; all with the lock held ---- */

static bool start(void)
{
	pthread_condattr_t attributes;
	pthread_t thread;

	if (resolver.running)
		return true;
	(void)pthread_condattr_init(&attributes);
	(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&resolver.answered, &attributes);
	(void)pthread_condattr_destroy(&attributes);
	resolver.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (resolver.wake < 0 || ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS)
		return false;
	if (pthread_create(&thread, NULL, resolver_main, NULL)) {
		close(resolver.wake);
		return false;
	}
	(void)pthread_detach(thread); /* exists: just made */
	resolver.running = true;
	return true;
}

static struct name *find(const char *host, int64_t now)
{
	struct name *oldest = NULL;

	for (unsigned i = 0; i < RESOLVER_NAMES; i++) {
		struct name *name = &resolver.names[i];

		if (!strcmp(name->host, host)) {
			name->used = now;
			return name;
		}
		if (!name->asking && !name->wanted && (!oldest || name->used < oldest->used))
			oldest = name;
	}
	if (!oldest || strlen(host) >= sizeof(oldest->host))
		return NULL;
	memset(oldest, 0, sizeof(*oldest));
	strcpy(oldest->host, host); /* fits */
	oldest->used = now;
	return oldest;
}

static void want(struct name *name)
{
	uint64_t one = 1;

	if (name->asking || name->wanted)
		return;
	name->wanted = true;
	if (write(resolver.wake, &one, sizeof(one)) < 0)
		return; /* EAGAIN: it is awake, 2^64 times over */
}

/* Beginning with another one each time, among those of the family that comes first. */
static enum resolver_answer give(struct name *name, struct attempt_address *out, unsigned *count)
{
	unsigned same = 1;

	while (same < name->count && name->good[same].address.ss_family == name->good[0].address.ss_family)
		same++;
	for (unsigned i = 0; i < name->count; i++)
		out[i] = name->good[i < same ? (i + name->turn) % same : i];
	name->turn++;
	*count = name->count;
	return RESOLVER_GOOD;
}

/* Until another answer has come or `until`. */
static void await_answer(const struct name *name, unsigned before, int64_t until)
{
	struct timespec at = {until / NS_PER_SECOND, until % NS_PER_SECOND};

	while (name->answers == before)
		if (pthread_cond_timedwait(&resolver.answered, &resolver.lock, &at) == ETIMEDOUT)
			return;
}

static enum resolver_answer look_up(struct name *name, int64_t now, int64_t until)
{
	unsigned before = name->answers;
	int64_t patience = (name->asking ? name->asked_since : now) + PATIENCE_NS;

	want(name);
	if (name->count && patience < until)
		until = patience;
	await_answer(name, before, until);
	if (name->answers != before && name->last != RESOLVER_FAILED)
		return name->last;
	if (name->count)
		return RESOLVER_GOOD; /* the last good ones */
	return name->answers != before ? RESOLVER_FAILED : RESOLVER_SILENT;
}

enum resolver_answer resolver_ask(const char *host, int64_t until, struct attempt_address out[ATTEMPT_ADDRESSES],
	unsigned *count, char *why, size_t why_bytes)
{
	enum resolver_answer answer = RESOLVER_FAILED;
	int64_t now = clock_mono_ns();
	struct name *name;

	(void)pthread_mutex_lock(&resolver.lock);
	name = start() ? find(host, now) : NULL;
	if (!name)
		(void)snprintf(why, why_bytes, "%s", resolver.running ? "too many names are looked up" : "the resolver could not be started");
	else if (name->count && now < name->fresh_until)
		answer = RESOLVER_GOOD;
	else
		answer = look_up(name, now, until);
	if (answer == RESOLVER_GOOD)
		answer = give(name, out, count);
	else if (answer == RESOLVER_SILENT)
		(void)snprintf(why, why_bytes, "no name server has answered");
	else if (name)
		(void)snprintf(why, why_bytes, "%s", name->why); /* cut when long */
	(void)pthread_mutex_unlock(&resolver.lock);
	return answer;
}

void resolver_doubt(const char *host)
{
	(void)pthread_mutex_lock(&resolver.lock);
	for (unsigned i = 0; i < RESOLVER_NAMES; i++)
		if (!strcmp(resolver.names[i].host, host))
			resolver.names[i].fresh_until = 0;
	(void)pthread_mutex_unlock(&resolver.lock);
}
