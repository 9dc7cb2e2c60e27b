/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/kind_mongodb_stream.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "probe/tls_link.h"

enum { STREAM_TYPE = 100 }; /* none of libmongoc's: it looks into those */

struct stream {
	mongoc_stream_t base;
	struct mongodb_streams *set;
	struct tls_link link;
	struct dependency of;
	struct attempt io; /* of this stream; its deadline is the present attempt's */
	struct probe_result result;
	bool timed_out;
};

static struct stream *self_of(mongoc_stream_t *base)
{
	return (struct stream *)base;
}

/* The stream's time is what the present attempt has left. */
static void allow(struct stream *self)
{
	const struct attempt *attempt = self->set->attempt;

	self->io.deadline = attempt ? attempt->deadline : clock_mono_ns();
}

static void note_failure(struct stream *self)
{
	struct mongodb_streams *set = self->set;

	if (!attempt_failed(&self->io))
		return;
	self->timed_out = self->result.error == PROBE_TIMEOUT || self->result.error == PROBE_CONNECT_TIMEOUT;
	set->error = self->result.error;
	memcpy(set->detail, self->result.detail, sizeof(set->detail));
}

static void note_address(struct stream *self)
{
	struct attempt *attempt = self->set->attempt;

	(void)pthread_mutex_lock(&attempt->note); /* the engine may be reading it */
	memcpy(attempt->result->address, self->result.address, sizeof(attempt->result->address));
	(void)pthread_mutex_unlock(&attempt->note);
}

/* The present attempt may hold it for the engine, which shuts down whatever has its number then. */
static void end_link(struct stream *self)
{
	struct attempt *attempt = self->set->attempt;

	tls_link_close(&self->link, attempt && attempt->held == self->link.fd ? attempt : NULL);
}

/* ---- what libmongoc calls */

static void destroy(mongoc_stream_t *base)
{
	struct stream *self = self_of(base);

	for (unsigned i = 0; i < MONGODB_STREAMS; i++)
		if (self->set->kept[i] == base)
			self->set->kept[i] = NULL;
	end_link(self);
	attempt_end(&self->io);
	free(self);
}

static int close_stream(mongoc_stream_t *base)
{
	end_link(self_of(base));
	return 0;
}

static int flush_stream(mongoc_stream_t *base)
{
	(void)base; /* nothing is held back */
	return 0;
}

static ssize_t write_all(mongoc_stream_t *base, mongoc_iovec_t *parts, size_t count, int32_t timeout_ms)
{
	struct stream *self = self_of(base);
	ssize_t all = 0;

	(void)timeout_ms; /* the attempt's counts */
	allow(self);
	for (size_t i = 0; i < count; i++) {
		if (self->link.fd < 0 ||
			!tls_link_send(&self->link, &self->io, parts[i].iov_base, parts[i].iov_len)) {
			note_failure(self);
			errno = ETIMEDOUT;
			return -1;
		}
		all += (ssize_t)parts[i].iov_len;
	}
	return all;
}

static bool is_readable(const struct stream *self)
{
	struct pollfd now = {.fd = self->link.fd, .events = POLLIN};

	return tls_link_pending(&self->link) || poll(&now, 1, 0) != 0;
}

static ssize_t read_some(
	mongoc_stream_t *base, mongoc_iovec_t *parts, size_t count, size_t least, int32_t timeout_ms)
{
	struct stream *self = self_of(base);
	ssize_t all = 0;

	allow(self);
	for (size_t i = 0; i < count; i++) {
		for (size_t used = 0; used < parts[i].iov_len;) {
			bool enough = (size_t)all >= least && (all > 0 || timeout_ms == 0);
			long got = -1;

			if (enough && (self->link.fd < 0 || !is_readable(self))) {
				errno = EAGAIN;
				return all ? all : -1;
			}
			if (self->link.fd >= 0)
				got = tls_link_receive(&self->link, &self->io, (char *)parts[i].iov_base + used,
					parts[i].iov_len - used);
			if (got == 0)
				(void)attempt_fail(&self->io, PROBE_PROTOCOL_ERROR, "it hung up");
			if (got <= 0) {
				note_failure(self);
				errno = self->timed_out ? ETIMEDOUT : ECONNRESET;
				return got;
			}
			used += (size_t)got;
			all += got;
		}
	}
	return all;
}

static int set_option(mongoc_stream_t *base, int level, int name, void *value, mongoc_socklen_t length)
{
	(void)base, (void)level, (void)name, (void)value,
		(void)length; /* attempt_connect has set what matters */
	return 0;
}

static bool is_closed(mongoc_stream_t *base)
{
	const struct stream *self = self_of(base);

	return self->link.fd < 0 || attempt_hung_up(self->link.fd);
}

static bool has_timed_out(mongoc_stream_t *base)
{
	return self_of(base)->timed_out;
}

static bool should_retry(mongoc_stream_t *base)
{
	(void)base;
	return errno == EAGAIN;
}

/* When the attempt's time is over, every stream has an error: libmongoc would go on asking until its own is. */
static ssize_t give_up(mongoc_stream_poll_t *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct stream *self = self_of(list[i].stream);

		(void)attempt_fail(&self->io, PROBE_TIMEOUT, "waiting for the answer took too long");
		note_failure(self);
		list[i].revents = POLLERR;
	}
	return (ssize_t)count;
}

static int wait_ms(const struct attempt *attempt, int32_t timeout_ms)
{
	int left = attempt ? attempt_left_ms(attempt) : 0;

	return timeout_ms >= 0 && timeout_ms < left ? timeout_ms : left;
}

static ssize_t poll_streams(mongoc_stream_poll_t *list, size_t count, int32_t timeout_ms)
{
	struct attempt *attempt = self_of(list[0].stream)->set->attempt;
	struct pollfd *waits = calloc(count, sizeof(*waits));
	ssize_t ready = 0;

	if (!waits || wait_ms(attempt, 1) == 0) {
		free(waits);
		return give_up(list, count);
	}
	for (size_t i = 0; i < count; i++) {
		const struct stream *self = self_of(list[i].stream);

		waits[i] = (struct pollfd){.fd = self->link.fd, .events = (short)list[i].events};
		if (tls_link_pending(&self->link) && (list[i].events & POLLIN))
			timeout_ms = 0;
	}
	(void)poll(waits, count, wait_ms(attempt, timeout_ms)); /* an interrupted one is a short one */
	for (size_t i = 0; i < count; i++) {
		list[i].revents = waits[i].revents & (POLLIN | POLLOUT | POLLERR);
		if (tls_link_pending(&self_of(list[i].stream)->link))
			list[i].revents |= list[i].events & POLLIN;
		if (waits[i].revents & POLLHUP) /* to be read: how it ended */
			list[i].revents |= list[i].events & (POLLIN | POLLOUT);
		ready += list[i].revents != 0;
	}
	free(waits);
	return ready;
}

bool mongodb_streams_hung_up(const struct mongodb_streams *set)
{
	for (unsigned i = 0; i < MONGODB_STREAMS; i++)
		if (set->kept[i] && is_closed(set->kept[i]))
			return true;
	return false;
}

/* ---- opening */

/* One that finds no place is only not looked at before it is used again. */
static void keep(struct stream *self)
{
	unsigned i = 0;

	while (i < MONGODB_STREAMS && self->set->kept[i])
		i++;
	if (i < MONGODB_STREAMS)
		self->set->kept[i] = &self->base;
}

static mongoc_stream_t *base_of(struct stream *self)
{
	self->base = (mongoc_stream_t){
		.type = STREAM_TYPE,
		.destroy = destroy,
		.failed = destroy,
		.close = close_stream,
		.flush = flush_stream,
		.writev = write_all,
		.readv = read_some,
		.setsockopt = set_option,
		.check_closed = is_closed,
		.poll = poll_streams,
		.timed_out = has_timed_out,
		.should_retry = should_retry,
	};
	return &self->base;
}

static bool connect_stream(struct stream *self, const mongoc_host_list_t *host)
{
	struct mongodb_streams *set = self->set;
	const char *path = *host->host == '/' ? host->host : NULL;
	int64_t now = clock_mono_ns();
	bool good;

	attempt_begin(&self->io, &self->of, &self->result, now,
		now + (set->attempt->deadline - now) / (set->hosts ? set->hosts : 1));
	if (set->hosts > 1)
		set->hosts--;
	attempt_phase(set->attempt, PHASE_CONNECT);
	good = tls_link_open(&self->link, &self->io, host->port, path);
	note_address(self);
	if (!good)
		return false;
	attempt_hold(set->attempt, self->link.fd);
	if (set->tls) {
		attempt_phase(set->attempt, PHASE_TLS);
		if (!tls_link_secure(&self->link, &self->io))
			return false;
	}
	attempt_phase(&self->io, PHASE_ASK);
	attempt_phase(set->attempt, PHASE_AUTH);
	return true;
}

mongoc_stream_t *mongodb_stream_open(
	const mongoc_uri_t *uri, const mongoc_host_list_t *host, void *streams, bson_error_t *error)
{
	struct mongodb_streams *set = streams;
	struct stream *self = set->attempt ? calloc(1, sizeof(*self)) : NULL;

	(void)uri; /* the set knows what is in it */
	if (!self) {
		bson_set_error(error, MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_CONNECT, "no time or memory");
		return NULL;
	}
	self->set = set;
	self->of = *set->of;
	self->link = TLS_LINK_NONE;
	(void)snprintf(
		self->of.at.host, sizeof(self->of.at.host), "%s", host->host); /* fits: it was in the URL */
	if (connect_stream(self, host)) {
		keep(self);
		return base_of(self);
	}
	note_failure(self);
	bson_set_error(error, MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_CONNECT, "%s", self->result.detail);
	destroy(&self->base);
	return NULL;
}
