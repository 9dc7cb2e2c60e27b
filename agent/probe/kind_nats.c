/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nats: INFO, TLS where it is wanted, CONNECT, and a PONG for our PING: the accept loop alone would answer with
 * INFO. With a stream and a consumer also how many messages that consumer has not done yet. Threads, failure:
 * see kind.h. Memory: one buffer of NATS_ROOM bytes a dependency.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/text.h"
#include "probe/kind.h"
#include "probe/kind_nats_key.h"
#include "probe/kind_nats_wire.h"
#include "probe/tls_link.h"

struct nats {
	struct tls_link link;
	struct nats_info info;
	unsigned long inbox, asked; /* random, for the subject of answers; questions on this connection */
	size_t used, taken;         /* of room: received; of these belonging to operations that were seen */
	char room[NATS_ROOM];
};

static int open_nats(const struct dependency *of, void **state, char *why, size_t why_bytes)
{
	struct nats *nats = calloc(1, sizeof *nats);

	if (!nats)
		return -ENOMEM;
	if (strpbrk(of->topic, " .*>\t") || strpbrk(of->group, " .*>\t")) {
		snprintf(why, why_bytes, "stream and consumer: names hold no blanks . * >");
		free(nats);
		return -EINVAL;
	}
	nats->link = TLS_LINK_NONE;
	*state = nats;
	return 0;
}

static void close_nats(void *state)
{
	struct nats *nats = state;

	tls_link_close(&nats->link, NULL);
	free(nats);
}

static void drop(struct nats *nats, struct attempt *attempt)
{
	tls_link_close(&nats->link, attempt);
	nats->used = nats->taken = 0;
	nats->asked = 0;
}

static bool say(struct nats *nats, struct attempt *attempt, const char *text)
{
	return tls_link_send(&nats->link, attempt, text, strlen(text));
}

static bool receive_more(struct nats *nats, struct attempt *attempt)
{
	long got;

	memmove(nats->room, nats->room + nats->taken, nats->used - nats->taken);
	nats->used -= nats->taken;
	nats->taken = 0;
	got = tls_link_receive(&nats->link, attempt, nats->room + nats->used, sizeof nats->room - nats->used);
	if (got < 0)
		return false;
	if (got == 0)
		return attempt_fail(attempt, PROBE_PROTOCOL_ERROR, "closed the connection");
	nats->used += (size_t)got;
	return true;
}

static bool fail_error(struct attempt *attempt, const struct nats_operation *operation)
{
	return attempt_fail(attempt, nats_error(operation->text, operation->length), "%.*s",
		(int)(operation->length < 120 ? operation->length : 120), operation->text);
}

/* What may come at any time; false after it has failed. */
static bool heed(struct nats *nats, struct attempt *attempt, const struct nats_operation *operation)
{
	switch (operation->verb) {
	case NATS_PING: return say(nats, attempt, "PONG\r\n");
	case NATS_ERR: return fail_error(attempt, operation);
	case NATS_GARBAGE: return attempt_fail(attempt, PROBE_PROTOCOL_ERROR, "it does not speak NATS");
	case NATS_INFO:
		return nats_read_info(operation->text, operation->length, &nats->info) ||
		       attempt_fail(attempt, PROBE_PROTOCOL_ERROR, "its INFO is no JSON");
	default: return true;
	}
}

/* Until an operation of that kind has come; `out` points into the buffer until the next call. */
static bool await(struct nats *nats, struct attempt *attempt, enum nats_verb verb, struct nats_operation *out)
{
	for (;;) {
		nats_next(nats->room + nats->taken, nats->used - nats->taken, out);
		if (out->verb == NATS_MORE) {
			if (!receive_more(nats, attempt))
				return false;
			continue;
		}
		nats->taken += out->used;
		if (!heed(nats, attempt, out))
			return false;
		if (out->verb == verb)
			return true;
		if (attempt_left_ms(attempt) == 0) /* it never stops talking */
			return attempt_fail(
				attempt, PROBE_TIMEOUT, "talks, but does not answer within the time");
	}
}

/* With the first PING in one piece: a server that refuses us and hangs up is still heard then. */
static bool introduce(struct nats *nats, struct attempt *attempt)
{
	struct buf line;
	struct json json;
	bool sent;

	buf_start(&line, NATS_ROOM);
	buf_text(&line, "CONNECT ");
	json_start(&json, &line);
	json_object(&json, NULL);
	json_bool(&json, "verbose", false);
	json_bool(&json, "pedantic", false);
	json_bool(&json, "headers", true);
	json_bool(&json, "no_responders", true);
	json_bool(&json, "tls_required", nats->link.tls != NULL);
	json_int(&json, "protocol", 1);
	json_text(&json, "name", "lifesign");
	json_text(&json, "lang", "c");
	json_text(&json, "version", LS_VERSION);
	sent = nats_write_identity(attempt, &json, nats->info.nonce);
	json_object_end(&json);
	buf_text(&line, "\r\nPING\r\n");
	if (sent && line.failed)
		sent = attempt_fail(attempt, PROBE_INTERNAL, "out of memory");
	sent = sent && tls_link_send(&nats->link, attempt, line.data, line.used);
	if (line.data)
		explicit_bzero(line.data, line.used);
	buf_free(&line);
	return sent;
}

/* Whatever comes behind INFO on a plain connection would be read as if it had come over TLS. */
static bool secure(struct nats *nats, struct attempt *attempt)
{
	if (nats->used > nats->taken)
		return attempt_fail(attempt, PROBE_PROTOCOL_ERROR, "it goes on without TLS");
	return tls_link_secure(&nats->link, attempt);
}

static bool begin(struct nats *nats, struct attempt *attempt)
{
	const struct dependency_url *at = &attempt->of->at;
	struct nats_operation info;

	drop(nats, attempt);
	if (!tls_link_open(&nats->link, attempt, at->port, NULL))
		return false;
	attempt_phase(attempt, PHASE_AUTH);
	if (!await(nats, attempt, NATS_INFO, &info))
		return false;
	if ((at->tls || nats->info.tls_required) && !secure(nats, attempt))
		return false;
	attempt_phase(attempt, PHASE_AUTH);
	return introduce(nats, attempt);
}

static bool hear_pong(struct nats *nats, struct attempt *attempt)
{
	struct nats_operation pong;

	if (!await(nats, attempt, NATS_PONG, &pong))
		return false;
	if (nats->info.lame_duck)
		return attempt_fail(attempt, PROBE_NOT_READY, "lame duck mode: it is about to end");
	return true;
}

/* Answers come to a subject of our own, which this connection asks for once. */
static bool ask_consumer(struct nats *nats, struct attempt *attempt)
{
	const struct dependency *of = attempt->of;
	char lines[DEPENDENCY_TEXT * 2 + 256], why[128] = "";
	struct nats_operation message;
	enum probe_error error;
	double behind = 0;
	int length = 0;

	if (nats->asked++ == 0) {
		if (getrandom(&nats->inbox, sizeof nats->inbox, GRND_NONBLOCK) < 0)
			nats->inbox ^= (unsigned long)attempt->began;
		length = snprintf(lines, sizeof lines, "SUB _INBOX.lifesign.%lx 1\r\n", nats->inbox);
	}
	snprintf(lines + length, sizeof lines - (size_t)length,
		"PUB $JS.API.CONSUMER.INFO.%s.%s _INBOX.lifesign.%lx 0\r\n\r\n", of->topic, of->group,
		nats->inbox);
	if (!say(nats, attempt, lines) || !await(nats, attempt, NATS_MESSAGE, &message))
		return false;
	error = nats_read_consumer(&message, &behind, why, sizeof why);
	if (error != PROBE_OK)
		return attempt_fail(attempt, error, "%s", why);
	attempt_value(attempt, behind);
	return true;
}

static void ask_nats(void *state, struct attempt *attempt)
{
	struct nats *nats = state;
	bool asked;

	if (attempt_hung_up(nats->link.fd))
		drop(nats, attempt);
	attempt_hold(attempt, nats->link.fd);
	asked = nats->link.fd >= 0 ? say(nats, attempt, "PING\r\n") : begin(nats, attempt);
	if (asked && hear_pong(nats, attempt)) {
		attempt_phase(attempt, PHASE_ASK);
		if (attempt->of->topic[0])
			ask_consumer(nats, attempt);
	}
	if (attempt_failed(attempt))
		drop(nats, attempt);
}

const struct probe_kind probe_kind = {.name = "nats", .open = open_nats, .ask = ask_nats, .close = close_nats};
