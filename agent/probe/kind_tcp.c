/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tcp: connects, and when `send` or `expect` is given, talks. A connection alone proves that the other kernel has room
 * in a queue, not that a program takes it. A new connection each time: nothing is known of what a second question
 * would mean to the other side.
 */
#include "probe/kind.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/tls_link.h"

struct bytes {
	size_t count;
	char text[DEPENDENCY_TEXT];
};

struct tcp {
	const struct dependency *of;
	struct bytes send, expect;
};

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One escape at `at`, which stands behind the backslash: bytes used, 0 when it is none. */
static size_t unescape(const char *at, char *out)
{
	static const char names[] = "rnt0\\", values[] = "\r\n\t\0\\";
	const char *name = *at ? strchr(names, *at) : NULL;

	if (name)
		*out = values[name - names];
	if (name || *at != 'x' || hex(at[1]) < 0 || hex(at[2]) < 0)
		return name != NULL;
	*out = (char)(hex(at[1]) * 16 + hex(at[2]));
	return 3;
}

static bool take_bytes(const char *text, struct bytes *out)
{
	while (*text) {
		size_t used = 1;

		if (*text != '\\')
			out->text[out->count++] = *text;
		else if ((used = unescape(text + 1, &out->text[out->count])))
			out->count++, used++;
		if (!used)
			return false;
		text += used;
	}
	return true; /* never longer than what was written */
}

static int tcp_open(const struct dependency *of, void **state, char *why, size_t why_bytes)
{
	struct tcp *tcp = calloc(1, sizeof(*tcp));

	if (!tcp)
		return -ENOMEM;
	tcp->of = of;
	if (take_bytes(of->send, &tcp->send) && take_bytes(of->expect, &tcp->expect)) {
		*state = tcp;
		return 0;
	}
	(void)snprintf(why, why_bytes, "send and expect know \\r \\n \\t \\0 \\\\ \\xNN");
	free(tcp);
	return -EINVAL;
}

/* Reads until as much has come as is expected, or until it differs. */
static void expect(const struct tcp *tcp, struct attempt *attempt, struct tls_link *link)
{
	char answer[DEPENDENCY_TEXT];
	size_t used = 0;

	while (used < tcp->expect.count) {
		long got = tls_link_receive(link, attempt, answer + used, tcp->expect.count - used);

		if (got < 0)
			return;
		if (!got || memcmp(answer + used, tcp->expect.text + used, (size_t)got) != 0) {
			(void)attempt_fail(attempt, PROBE_PROTOCOL_ERROR,
				got ? "the answer begins with other bytes" : "closed the connection after %zu bytes", used);
			return;
		}
		used += (size_t)got;
	}
}

static void tcp_ask(void *state, struct attempt *attempt)
{
	struct tcp *tcp = state;
	const struct dependency_url *at = &tcp->of->at;
	struct tls_link link = TLS_LINK_NONE;

	if (tls_link_open(&link, attempt, at->port, *at->host ? NULL : at->path) &&
		(!at->tls || tls_link_secure(&link, attempt))) {
		attempt_phase(attempt, PHASE_ASK);
		if (tls_link_send(&link, attempt, tcp->send.text, tcp->send.count))
			expect(tcp, attempt, &link);
	}
	tls_link_close(&link, attempt);
}

static void tcp_close(void *state)
{
	free(state);
}

const struct probe_kind probe_kind = {.name = "tcp", .open = tcp_open, .ask = tcp_ask, .close = tcp_close};
