/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole kind of dependency against any bytes: in place of probe/tls_link.c a connection whose other side is the fuzzer.
 * Whatever it says, the attempt ends, what was opened is closed, and its result is one that the agent takes.
 */
#ifndef LS_FUZZ_LINK_H
#define LS_FUZZ_LINK_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "probe/kind.h"
#include "probe/measure.h"
#include "probe/tls_link.h"

static struct {
	const uint8_t *bytes; /* NULL: there is no other side */
	size_t left, piece;
	unsigned opened, closed;
	int fd;
} peer;

bool tls_link_open(struct tls_link *link, struct attempt *attempt, unsigned port, const char *path)
{
	(void)port, (void)path;
	*link = TLS_LINK_NONE;
	attempt_phase(attempt, PHASE_CONNECT);
	if (peer.left == 0)
		return attempt_fail(attempt, PROBE_REFUSED, "nobody");
	peer.opened++;
	link->fd = peer.fd;
	return true;
}

bool tls_link_secure(struct tls_link *link, struct attempt *attempt)
{
	if (link->fd < 0 || link->tls)
		abort();
	attempt_phase(attempt, PHASE_TLS);
	link->tls = &peer;
	return true;
}

bool tls_link_send(struct tls_link *link, struct attempt *attempt, const void *bytes, size_t count)
{
	static uint8_t sent[1 << 16];

	memcpy(sent, bytes, count < sizeof sent ? count : sizeof sent); /* all of it can be read */
	if (link->fd < 0)
		return attempt_fail(attempt, PROBE_INTERNAL, "not connected");
	return true;
}

long tls_link_receive(struct tls_link *link, struct attempt *attempt, void *bytes, size_t room)
{
	size_t count = peer.left < peer.piece ? peer.left : peer.piece;

	if (room == 0)
		abort();
	if (link->fd < 0) {
		(void)attempt_fail(attempt, PROBE_INTERNAL, "not connected");
		return -1;
	}
	if (count > room)
		count = room;
	memset(bytes, 0x55, room); /* it is all ours */
	memcpy(bytes, peer.bytes, count);
	peer.bytes += count;
	peer.left -= count;
	return (long)count;
}

bool tls_link_pending(const struct tls_link *link)
{
	return link->tls && peer.left;
}

void tls_link_close(struct tls_link *link, struct attempt *attempt)
{
	if (attempt)
		attempt_hold(attempt, -1);
	peer.closed += link->fd >= 0;
	*link = TLS_LINK_NONE;
}

static void check_result(const struct dependency *of, struct probe_result *result)
{
	result->epoch = 1;
	measure(of, result);
	if (strnlen(result->detail, sizeof result->detail) == sizeof result->detail)
		abort();
	if (result->status != PROBE_UNKNOWN && !probe_result_check(result, sizeof *result, 1, 1))
		abort();
}

/* As many questions as there are bytes for, four at most. */
static void ask_peer(const struct dependency *of, const uint8_t *data, size_t size, size_t piece)
{
	uint8_t *bytes = malloc(size + !size); /* of exact size: whoever reads behind it is caught */
	void *state = NULL;
	char why[128];

	if (size)
		memcpy(bytes, data, size);
	if (!peer.fd)
		peer.fd = eventfd(0, EFD_CLOEXEC); /* polled, never hung up */
	peer.bytes = bytes;
	peer.left = size;
	peer.piece = piece ? piece : 1;
	peer.opened = peer.closed = 0;
	if (probe_kind.open(of, &state, why, sizeof why) == 0) {
		for (unsigned i = 0; i < 4 && (i == 0 || peer.left); i++) {
			static struct probe_result result;
			static struct attempt attempt;
			int64_t now = clock_mono_ns();

			attempt_begin(&attempt, of, &result, now, now + 60 * NS_PER_SECOND);
			probe_kind.ask(state, &attempt);
			attempt_end(&attempt);
			check_result(of, &result);
		}
		probe_kind.close(state);
		if (peer.opened != peer.closed)
			abort();
	}
	free(bytes);
}

/* What is asked, by the bits of `how`; 64 and 128 are the kind's own. */
static inline void dress(struct dependency *of, uint8_t how, const char *path, const char *ask)
{
	memset(of, 0, sizeof *of);
	strcpy(of->at.user, how & 1 ? "app" : "");
	strcpy(of->at.password, how & 2 ? "kilimanjaro" : "");
	strcpy(of->at.path, how & 4 ? path : "");
	strcpy(of->ask, how & 8 ? ask : "");
	of->at.tls = how & 16;
	of->has_max = how & 32;
}

#endif
