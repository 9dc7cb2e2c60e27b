/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/kind_mysql_talk.h"

#include <string.h>

#include "base/clock.h"
#include "probe/kind_mysql_login.h"

enum { COM_QUIT = 1 };

/* ---- packets */

static bool send_packet(struct mysql_talk *talk, struct attempt *attempt, const void *payload, size_t bytes)
{
	uint8_t out[MYSQL_HEAD + MYSQL_REPLY];
	bool sent;

	out[0] = (uint8_t)bytes;
	out[1] = (uint8_t)(bytes >> 8);
	out[2] = 0;
	out[3] = talk->sequence++;
	memcpy(out + MYSQL_HEAD, payload, bytes);
	sent = tls_link_send(&talk->link, attempt, out, MYSQL_HEAD + bytes);
	explicit_bzero(out, sizeof(out));
	return sent;
}

/* Bytes of the packet that has begun, 0 while its head is not complete, MYSQL_PAYLOAD + 1 when it cannot be
 * one. */
static size_t announced(const struct mysql_talk *talk)
{
	size_t length = talk->in[0] | (size_t)talk->in[1] << 8 | (size_t)talk->in[2] << 16;

	if (talk->used < MYSQL_HEAD)
		return 0;
	return length && length <= MYSQL_PAYLOAD ? length : MYSQL_PAYLOAD + 1;
}

/* The next packet, which stays until the one after. */
bool mysql_talk_receive(struct mysql_talk *talk, struct attempt *attempt, struct mysql_bytes *out)
{
	size_t length;

	memmove(talk->in, talk->in + talk->taken, talk->used - talk->taken);
	talk->used -= talk->taken;
	talk->taken = 0;
	while (!(length = announced(talk)) || talk->used < MYSQL_HEAD + length) {
		long got;

		if (length > MYSQL_PAYLOAD)
			return attempt_fail(attempt, PROBE_PROTOCOL_ERROR, "not mysql");
		got = tls_link_receive(
			&talk->link, attempt, talk->in + talk->used, sizeof(talk->in) - talk->used);
		if (got == 0)
			return attempt_fail(attempt, PROBE_PROTOCOL_ERROR, "it hung up");
		if (got < 0)
			return false;
		talk->used += (size_t)got;
	}
	talk->sequence = (uint8_t)(talk->in[3] + 1);
	talk->taken = MYSQL_HEAD + length;
	*out = (struct mysql_bytes){talk->in + MYSQL_HEAD, length};
	return true;
}

bool mysql_talk_fail(struct attempt *attempt, struct mysql_bytes packet, const char *doing)
{
	struct mysql_error told;

	if (mysql_packet_error(packet, &told))
		return attempt_fail(attempt, told.error, "%s", told.text);
	return attempt_fail(attempt, PROBE_PROTOCOL_ERROR, "%s: not an answer to it", doing);
}

void mysql_talk_close(struct mysql_talk *talk, struct attempt *attempt)
{
	static const uint8_t quit[] = {1, 0, 0, 0, COM_QUIT};
	struct probe_result unused;
	struct attempt last;
	int64_t now = clock_mono_ns();

	if (talk->let_in) {
		attempt_begin(&last, talk->of, &unused, now, now); /* what cannot be sent at once is not sent */
		(void)tls_link_send(&talk->link, &last, quit, sizeof(quit));
		attempt_end(&last);
	}
	tls_link_close(&talk->link, attempt);
	talk->let_in = false;
	talk->used = talk->taken = 0;
}

/* ---- login */

static bool prove(struct mysql_talk *talk, struct attempt *attempt, const struct mysql_greeting *greeting,
	uint8_t *out, int *length)
{
	char secret[DEPENDENCY_ASK];
	bool is_private = talk->link.tls || talk->on_unix;

	*length = 0;
	if (!attempt_password(attempt, secret, sizeof(secret)))
		return false;
	*length = mysql_login_proof(greeting, secret, is_private, out);
	explicit_bzero(secret, sizeof(secret));
	if (*length == MYSQL_NOT_PRIVATE)
		return attempt_fail(
			attempt, PROBE_AUTH_FAILED, "it wants the password itself, which needs TLS");
	return true;
}

/* The login, in two halves with TLS between them. An unknown plugin is left to the server to replace. */
static bool introduce(struct mysql_talk *talk, struct attempt *attempt, const struct mysql_greeting *greeting)
{
	const struct dependency *of = attempt->of;
	const char *database = of->at.path + (!talk->on_unix && *of->at.path == '/'),
		   *plugin = greeting->plugin;
	bool wants_tls = of->at.tls || *of->ca_file || *of->cert_file;
	uint32_t capabilities = MYSQL_LONG_PASSWORD | MYSQL_LONG_FLAG | MYSQL_PROTOCOL_41 | MYSQL_TRANSACTIONS |
				MYSQL_SECURE | MYSQL_PLUGINS | MYSQL_ATTRIBUTES;
	uint8_t proof[MYSQL_REPLY], out[MYSQL_REPLY];
	int proof_bytes;
	size_t bytes;

	if (talk->on_unix)
		database = "";
	capabilities |= (*database ? MYSQL_WITH_DATABASE : 0) | (wants_tls ? MYSQL_TLS : 0);
	if (wants_tls && !(greeting->capabilities & MYSQL_TLS))
		return attempt_fail(attempt, PROBE_TLS_ERROR, "it has no TLS");
	capabilities &= greeting->capabilities;
	if (wants_tls) {
		bytes = mysql_login_begin(capabilities, out);
		if (talk->used != talk->taken) /* said before TLS, to be believed after it */
			return attempt_fail(attempt, PROBE_PROTOCOL_ERROR, "it says too much before TLS");
		if (!send_packet(talk, attempt, out, bytes) || !tls_link_secure(&talk->link, attempt))
			return false;
		attempt_phase(attempt, PHASE_AUTH);
	}
	if (!prove(talk, attempt, greeting, proof, &proof_bytes))
		return false;
	if (proof_bytes == MYSQL_NO_PLUGIN) {
		plugin = "mysql_native_password";
		proof_bytes = 0;
	}
	bytes = mysql_login_all(capabilities, of->at.user, proof, (size_t)proof_bytes, database, plugin, out);
	explicit_bzero(proof, sizeof(proof));
	if (!bytes)
		return attempt_fail(attempt, PROBE_INTERNAL, "user, password or database are too long");
	return send_packet(talk, attempt, out, bytes);
}

/* 0xfe: another plugin; 0x01: caching_sha2_password knows him (3) or wants the password itself (4). */
static bool answer_more(struct mysql_talk *talk, struct attempt *attempt, struct mysql_bytes packet,
	struct mysql_greeting *greeting)
{
	uint8_t proof[MYSQL_REPLY];
	int bytes;
	bool sent;

	if (*packet.at == 1 && packet.left >= 2 && packet.at[1] == 3)
		return true;
	if (*packet.at == 1 && packet.left >= 2 && packet.at[1] == 4)
		strcpy(greeting->plugin, "sha256_password"); /* fits; its answer is the same */
	else if (!mysql_packet_switch(packet, greeting))
		return mysql_talk_fail(attempt, packet, "login");
	if (!prove(talk, attempt, greeting, proof, &bytes))
		return false;
	if (bytes == MYSQL_NO_PLUGIN)
		return attempt_fail(
			attempt, PROBE_AUTH_FAILED, "its plugin %s is not known here", greeting->plugin);
	sent = send_packet(talk, attempt, proof, (size_t)bytes);
	explicit_bzero(proof, sizeof(proof));
	return sent;
}

static bool log_in(struct mysql_talk *talk, struct attempt *attempt)
{
	struct mysql_greeting greeting;
	struct mysql_bytes packet;

	attempt_phase(attempt, PHASE_AUTH);
	if (!mysql_talk_receive(talk, attempt, &packet))
		return false;
	if (!mysql_packet_greeting(packet, &greeting) || !(greeting.capabilities & MYSQL_PROTOCOL_41))
		return mysql_talk_fail(attempt, packet, "greeting");
	talk->is_mariadb = greeting.is_mariadb;
	if (!introduce(talk, attempt, &greeting))
		return false;
	for (unsigned steps = 0; steps < 8 && mysql_talk_receive(talk, attempt, &packet); steps++) {
		if (*packet.at == 0) {
			talk->let_in = true;
			return true;
		}
		if (!answer_more(talk, attempt, packet, &greeting))
			return false;
	}
	return attempt_fail(attempt, PROBE_PROTOCOL_ERROR, "its login does not end");
}

bool mysql_talk_open(struct mysql_talk *talk, struct attempt *attempt)
{
	const struct dependency_url *at = &attempt->of->at;

	mysql_talk_close(talk, attempt);
	return tls_link_open(&talk->link, attempt, at->port, talk->on_unix ? at->path : NULL) &&
	       log_in(talk, attempt);
}

bool mysql_talk_command(struct mysql_talk *talk, struct attempt *attempt, uint8_t number, const char *text)
{
	uint8_t out[MYSQL_REPLY];
	size_t length = strnlen(text, sizeof(out) - 1);

	out[0] = number;
	memcpy(out + 1, text, length);
	talk->sequence = 0;
	return send_packet(talk, attempt, out, 1 + length);
}
