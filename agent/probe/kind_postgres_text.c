/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/kind_postgres_text.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Beginnings of SQLSTATE, the longer one first. */
static enum probe_error error_of_state(const char *state)
{
	static const struct {
		const char *begins;
		enum probe_error error;
	} rows[] = {
		{"57P", PROBE_NOT_READY},   /* starting, recovering, ending */
		{"57014", PROBE_TIMEOUT},   /* statement_timeout */
		{"3D000", PROBE_NOT_READY}, /* the database is not made yet */
		{"53", PROBE_SATURATED},    /* too many connections, disk or memory full */
		{"28", PROBE_AUTH_FAILED}, {"42501", PROBE_AUTH_FAILED},
		{"25006", PROBE_WRONG_ROLE}, /* read-only */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (!strncmp(state, rows[i].begins, strlen(rows[i].begins)))
			return rows[i].error;
	return PROBE_PROTOCOL_ERROR;
}

/* PgBouncer says 08P01 to everything; and libpq itself has no SQLSTATE. */
static enum probe_error error_of_words(const char *text, enum probe_phase phase)
{
	static const struct {
		const char *words;
		enum probe_error error;
	} rows[] = {
		{"no more connections allowed", PROBE_SATURATED},
		{"query_wait_timeout", PROBE_SATURATED},
		{"too many clients", PROBE_SATURATED},
		{"server login", PROBE_NOT_READY},
		{"cannot connect to server", PROBE_NOT_READY},
		{"pooler is shut down", PROBE_NOT_READY},
		{"pgbouncer is shutting down", PROBE_NOT_READY},
		{"server conn crashed", PROBE_NOT_READY},
		{"server_login_retry", PROBE_NOT_READY},
		{"no such database", PROBE_NOT_READY},
		{"invalid response to SSL negotiation", PROBE_PROTOCOL_ERROR},
		{"expected authentication request", PROBE_PROTOCOL_ERROR},
		{"does not support SSL", PROBE_TLS_ERROR},
		{"requires SSL", PROBE_TLS_ERROR},
		{"SSL required", PROBE_TLS_ERROR},
		{"password", PROBE_AUTH_FAILED},
		{"no such user", PROBE_AUTH_FAILED},
		{"authentication", PROBE_AUTH_FAILED},
		{"SCRAM", PROBE_AUTH_FAILED},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (strstr(text, rows[i].words))
			return rows[i].error;
	if (phase == PHASE_TLS && (strstr(text, "SSL") || strstr(text, "certificate")))
		return PROBE_TLS_ERROR;
	return PROBE_PROTOCOL_ERROR;
}

static int errno_of(const char *text)
{
	static const int numbers[] = {ECONNREFUSED, ENOENT, EHOSTUNREACH, ENETUNREACH, ENETDOWN, EHOSTDOWN,
		ETIMEDOUT, EADDRNOTAVAIL, EACCES, EMFILE, ENFILE, ECONNRESET, EPIPE};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		if (strstr(text, strerror(numbers[i])))
			return numbers[i];
	return 0;
}

void postgres_text_state(const char *state, const char *text, struct postgres_text *out)
{
	out->error_number = 0;
	out->error = error_of_state(state);
	if (out->error == PROBE_PROTOCOL_ERROR && text)
		out->error = error_of_words(text, PHASE_ASK);
	(void)snprintf(out->detail, sizeof(out->detail), "%.*s (%.5s)", text ? (int)strcspn(text, "\n") : 0,
		text ? text : "", state); /* cut when long */
}

/* The last "SEVERITY:  SQLSTATE: " of a message: the state, with `text` behind it, or NULL. */
static const char *find_state(const char *message, const char **text)
{
	const char *found = NULL;

	for (const char *at = message; (at = strstr(at, ":  ")); at++) {
		const char *state = at + 3;

		if (strspn(state, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5 && state[5] == ':' &&
			state[6] == ' ')
			found = state;
	}
	if (found)
		*text = found + 7;
	return found;
}

/* The last line without the beginning that says where: "connection to server at …, port … failed: ". */
static const char *last_words(const char *message)
{
	static const char failed[] = " failed: ";
	const char *words = message, *at;

	for (at = message; (at = strstr(at, failed)); at++)
		words = at + strlen(failed);
	return words;
}

void postgres_text_read(const char *message, enum probe_phase phase, struct postgres_text *out)
{
	const char *text, *state = find_state(message, &text);

	if (state) {
		postgres_text_state(state, text, out);
		return;
	}
	text = last_words(message);
	out->error_number = phase == PHASE_CONNECT ? errno_of(text) : 0;
	out->error = error_of_words(text, phase);
	(void)snprintf(
		out->detail, sizeof(out->detail), "%.*s", (int)strcspn(text, "\n"), text); /* cut when long */
}

bool postgres_text_number(const char *text, double *out)
{
	char *end;
	double value = strtod(text, &end);

	if (!strcmp(text, "t") || !strcmp(text, "f")) {
		*out = *text == 't';
		return true;
	}
	if (end == text || *end || !isfinite(value))
		return false;
	*out = value;
	return true;
}
