/* SPDX-License-Identifier: Apache-2.0 */
/*
 * postgres, and poolers before it: SELECT 1 (or `query`) through a kept connection, since a pooler logs in
 * without any database; the role by what the server reports of itself. libpq's asynchronous half only, and
 * numeric addresses: connect_timeout is not heeded by it, PQexec by nothing, and its getaddrinfo cannot be
 * ended.
 *
 * Threads, failure: see kind.h. Memory: rows are taken one by one, and all but the first few are not read.
 */
#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/kind.h"
#include "probe/kind_postgres_text.h"
#include "probe/turns.h"

enum { PARAMETERS = 64, ROWS = 16 };

struct postgres {
	PGconn *connection;
	PQconninfoOption *options; /* of the URL's query */
};

struct parameters {
	const char *names[PARAMETERS], *values[PARAMETERS];
	unsigned count;
};

static void disconnect(struct postgres *postgres, struct attempt *attempt)
{
	if (attempt)
		attempt_hold(attempt, -1);
	PQfinish(postgres->connection);
	postgres->connection = NULL;
}

static void quiet(void *arg, const char *message)
{
	(void)arg, (void)message; /* libpq would print notices on stderr */
}

/* ---- connecting */

static const char *option(const struct postgres *postgres, const char *name)
{
	for (const PQconninfoOption *at = postgres->options; at && at->keyword; at++)
		if (at->val && *at->val && !strcmp(at->keyword, name))
			return at->val;
	return NULL;
}

/* The last of equal names counts; libpq takes an empty value for none. */
static void add(struct parameters *list, const char *name, const char *value)
{
	if (!value || !*value || list->count == PARAMETERS - 1)
		return;
	list->names[list->count] = name;
	list->values[list->count++] = value;
}

static void add_tls(struct parameters *list, const struct dependency *of)
{
	if (*of->ca_file && of->tls_verify) {
		add(list, "sslmode", "verify-full");
		add(list, "sslrootcert", of->ca_file);
	} else if (*of->ca_file || *of->cert_file) {
		add(list, "sslmode", "require");
	}
	add(list, "sslcert", of->cert_file);
	add(list, "sslkey", *of->key_file ? of->key_file : of->cert_file);
}

/* `number`: numeric address, NULL on a unix socket. The texts live as long as `of`, the options, port and
 * secret. */
static void fill(struct parameters *list, const struct postgres *postgres, const struct dependency *of,
	const char *number, const char *port, const char *secret)
{
	const struct dependency_url *at = &of->at;

	*list = (struct parameters){0};
	add(list, "gssencmode", "disable"); /* asks a KDC, for as long as it likes */
	add_tls(list, of);
	add(list, "port", port);
	for (const PQconninfoOption *one = postgres->options; one && one->keyword; one++)
		add(list, one->keyword, one->val);
	add(list, "host", at->host);
	add(list, "hostaddr", number);
	if (*at->host)
		add(list, "port", port);
	add(list, "user", at->user);
	add(list, "password", secret);
	add(list, "dbname", *at->path == '/' ? at->path + 1 : at->path);
	add(list, "fallback_application_name", "lifesign");
	add(list, "client_encoding", "UTF8");
}

static void note_phase(struct attempt *attempt, ConnStatusType status)
{
	enum probe_phase phase = PHASE_AUTH;

	if (status == CONNECTION_NEEDED || status == CONNECTION_STARTED)
		phase = PHASE_CONNECT;
	else if (status == CONNECTION_SSL_STARTUP)
		phase = PHASE_TLS;
	if (phase != attempt->phase)
		attempt_phase(attempt, phase);
}

static bool fail_as_told(struct attempt *attempt, const char *message)
{
	struct postgres_text told;

	postgres_text_read(message, attempt->phase, &told);
	if (told.error_number)
		return attempt_fail_errno(attempt, told.error_number, attempt->result->address);
	return attempt_fail(attempt, told.error, "%s", told.detail);
}

/* 0; or > 0: the errno for which this address was not reached; or -1 after it has failed. */
static int poll_connection(PGconn *connection, struct attempt *attempt, const struct turns *turns)
{
	PostgresPollingStatusType next = PGRES_POLLING_WRITING;
	struct postgres_text told;

	while (PQstatus(connection) != CONNECTION_BAD && next != PGRES_POLLING_FAILED) {
		short events = next == PGRES_POLLING_READING ? POLLIN : POLLOUT;
		int fd = PQsocket(connection);

		if (next == PGRES_POLLING_OK) {
			attempt_hold(attempt, fd);
			return 0;
		}
		note_phase(attempt, PQstatus(connection));
		attempt_hold(attempt, fd);
		if (turns && attempt->phase == PHASE_CONNECT) {
			if (!turns_wait(turns, fd, events))
				return ETIMEDOUT;
		} else if (!attempt_wait(attempt, fd, events)) {
			return -1;
		}
		attempt_hold(attempt, -1); /* each step may close it and open another */
		next = PQconnectPoll(connection);
	}
	postgres_text_read(PQerrorMessage(connection), attempt->phase, &told);
	if (attempt->phase == PHASE_CONNECT && told.error_number)
		return told.error_number;
	(void)fail_as_told(attempt, PQerrorMessage(connection));
	return -1;
}

static int connect_one(struct postgres *postgres, struct attempt *attempt, const struct turns *turns)
{
	struct parameters list;
	char port[16], secret[DEPENDENCY_ASK];
	int result;

	if (!attempt_password(attempt, secret, sizeof(secret)))
		return -1;
	(void)snprintf(port, sizeof(port), "%u", attempt->of->at.port);
	fill(&list, postgres, attempt->of, turns ? turns->number : NULL, port, secret);
	if (!turns)
		attempt_phase(attempt, PHASE_CONNECT);
	postgres->connection = PQconnectStartParams(list.names, list.values, 0);
	explicit_bzero(secret, sizeof(secret));
	if (!postgres->connection) {
		(void)attempt_fail(attempt, PROBE_INTERNAL, "out of memory");
		return -1;
	}
	(void)PQsetErrorVerbosity(postgres->connection, PQERRORS_VERBOSE); /* so that SQLSTATE is in the text */
	(void)PQsetNoticeProcessor(postgres->connection, quiet, NULL);
	result = poll_connection(postgres->connection, attempt, turns);
	if (result)
		disconnect(postgres, attempt);
	return result;
}

static bool connect_anew(struct postgres *postgres, struct attempt *attempt)
{
	const char *host = option(postgres, "hostaddr"), *directory = option(postgres, "host");
	struct turns turns;
	int result = ETIMEDOUT;

	disconnect(postgres, attempt);
	host = host ? host : attempt->of->at.host;
	if (!*host && directory && *directory != '/')
		host = directory;
	if (!*host) { /* a unix socket, there at once or not at all */
		result = connect_one(postgres, attempt, NULL);
		return result ? attempt_fail_errno(attempt, result > 0 ? result : EIO, "unix socket") : true;
	}
	if (!turns_begin(&turns, attempt, host, attempt->of->at.port))
		return false;
	while (result > 0 && turns_next(&turns, attempt))
		result = connect_one(postgres, attempt, &turns);
	if (result > 0)
		return turns_fail(&turns, attempt, result);
	return result == 0;
}

/* ---- asking */

static bool fail_result(struct attempt *attempt, const PGresult *result, const PGconn *connection)
{
	struct postgres_text told;
	const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;

	if (!state)
		return fail_as_told(attempt, PQerrorMessage(connection));
	postgres_text_state(state, PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY), &told);
	return attempt_fail(attempt, told.error, "%s", told.detail);
}

static bool send_out(struct postgres *postgres, struct attempt *attempt, const char *sql)
{
	PGconn *connection = postgres->connection;
	int left;

	if (PQsetnonblocking(connection, 1) || !PQsendQuery(connection, sql) || !PQsetSingleRowMode(connection))
		return fail_as_told(attempt, PQerrorMessage(connection));
	while ((left = PQflush(connection)) > 0)
		if (!attempt_wait(attempt, PQsocket(connection), POLLOUT))
			return false;
	return left == 0 || fail_as_told(attempt, PQerrorMessage(connection));
}

/* The next result; NULL at the end of all, or after it has failed. */
static PGresult *next_result(struct postgres *postgres, struct attempt *attempt)
{
	while (PQisBusy(postgres->connection)) {
		if (!attempt_wait(attempt, PQsocket(postgres->connection), POLLIN))
			return NULL;
		if (!PQconsumeInput(postgres->connection)) {
			(void)fail_as_told(attempt, PQerrorMessage(postgres->connection));
			return NULL;
		}
	}
	return PQgetResult(postgres->connection);
}

/* The first field of the first row, cut to `bytes`; empty when there is none. False after it has failed. */
static bool ask_sql(
	struct postgres *postgres, struct attempt *attempt, const char *sql, char *out, size_t bytes)
{
	PGresult *result;
	unsigned rows = 0;
	bool good = true;

	*out = 0;
	if (!send_out(postgres, attempt, sql))
		return false;
	while (good && rows < ROWS && (result = next_result(postgres, attempt))) {
		ExecStatusType status = PQresultStatus(result);

		if (status == PGRES_SINGLE_TUPLE && rows++ == 0 && PQnfields(result) &&
			!PQgetisnull(result, 0, 0))
			(void)snprintf(out, bytes, "%s", PQgetvalue(result, 0, 0)); /* longer is no number */
		else if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH)
			good = attempt_fail(attempt, PROBE_PROTOCOL_ERROR, "query: COPY gives no number");
		else if (status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE)
			good = fail_result(attempt, result, postgres->connection);
		PQclear(result);
	}
	if (rows == ROWS) /* the rest is not worth its way */
		disconnect(postgres, attempt);
	return good && !attempt_failed(attempt);
}

static bool take_number(struct attempt *attempt, const char *text)
{
	const struct dependency *of = attempt->of;
	double value;

	if (postgres_text_number(text, &value))
		attempt_value(attempt, value);
	else if (of->has_min || of->has_max || of->work)
		return attempt_fail(attempt, PROBE_PROTOCOL_ERROR, "query: the answer is no number");
	return true;
}

/* A server that is too old to report its role, or a pooler before it, is asked. */
static bool check_role(struct postgres *postgres, struct attempt *attempt)
{
	const char *standby = PQparameterStatus(postgres->connection, "in_hot_standby");
	const char *read_only = PQparameterStatus(postgres->connection, "default_transaction_read_only");
	char text[8];
	bool replica;

	if (attempt->of->role == ROLE_ANY)
		return true;
	if (standby && read_only) {
		replica = !strcmp(standby, "on") || !strcmp(read_only, "on");
	} else {
		if (!ask_sql(postgres, attempt,
			    "SELECT pg_catalog.pg_is_in_recovery() OR "
			    "pg_catalog.current_setting('transaction_read_only')::bool",
			    text, sizeof(text)))
			return false;
		replica = *text == 't';
	}
	if (replica != (attempt->of->role == ROLE_REPLICA))
		return attempt_fail(
			attempt, PROBE_WRONG_ROLE, replica ? "it is read-only" : "it is the primary");
	return true;
}

static bool ask_number(struct postgres *postgres, struct attempt *attempt)
{
	char sql[DEPENDENCY_ASK + 128], text[64];
	int limit = attempt_left_ms(attempt);

	if (!*attempt->of->ask)
		return true;
	/* A server goes on when its client is gone: each cycle would leave one more at work. The newline ends a
	 * comment. */
	(void)snprintf(sql, sizeof(sql), "BEGIN; SET LOCAL statement_timeout = %d; %s\n; COMMIT",
		limit > 1 ? limit : 1, attempt->of->ask); /* fits */
	return ask_sql(postgres, attempt, sql, text, sizeof(text)) && take_number(attempt, text);
}

static void ask_postgres(void *state, struct attempt *attempt)
{
	struct postgres *postgres = state;
	PGconn *kept = postgres->connection;
	char one[8];
	bool good = kept && PQstatus(kept) == CONNECTION_OK && PQtransactionStatus(kept) == PQTRANS_IDLE &&
		    !attempt_hung_up(PQsocket(kept));

	if (good)
		attempt_hold(attempt, PQsocket(kept));
	else
		good = connect_anew(postgres, attempt);
	if (good) {
		attempt_phase(attempt, PHASE_ASK);
		good = *attempt->of->ask ||
		       (ask_sql(postgres, attempt, "SELECT 1", one, sizeof(one)) &&
			       (!strcmp(one, "1") ||
				       attempt_fail(attempt, PROBE_PROTOCOL_ERROR, "SELECT 1 gave '%s'", one)));
	}
	good = good && check_role(postgres, attempt) && ask_number(postgres, attempt);
	attempt_hold(attempt, -1);
	if (!good)
		disconnect(postgres, attempt);
}

/* ---- what is configured */

static int open_postgres(const struct dependency *of, void **state, char *why, size_t why_bytes)
{
	struct postgres *postgres = calloc(1, sizeof(*postgres));
	char uri[DEPENDENCY_TEXT + 32], *wrong = NULL;

	if (!postgres)
		return -ENOMEM;
	(void)snprintf(
		uri, sizeof(uri), "postgresql:///%s%s", *of->at.query ? "?" : "", of->at.query); /* fits */
	postgres->options = PQconninfoParse(uri, &wrong);
	if (!postgres->options) {
		/* what it quotes, but for an option's name, may be a password that is wrongly encoded */
		const char *quote = wrong && strncmp(wrong, "invalid URI query parameter", 27) ? ":\n" : "\n";

		(void)snprintf(why, why_bytes, "url: %.*s", wrong ? (int)strcspn(wrong, quote) : 0, wrong ? wrong : "");
		PQfreemem(wrong);
		free(postgres);
		return -EINVAL;
	}
	*state = postgres;
	return 0;
}

static void close_postgres(void *state)
{
	struct postgres *postgres = state;

	disconnect(postgres, NULL);
	PQconninfoFree(postgres->options);
	free(postgres);
}

const struct probe_kind probe_kind = {
	.name = "postgres", .open = open_postgres, .ask = ask_postgres, .close = close_postgres};
