/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redis (and what speaks RESP): AUTH, SELECT and PING in one write on a kept connection, then what was asked
 * for: ROLE, the number of `command`, and CLUSTER INFO where there is a cluster. hiredis only writes and reads
 * RESP; it never sees the descriptor, since its own connecting and reading wait longer than they are told.
 *
 * Threads, failure: see kind.h. Memory: an answer larger than REDIS_BYTES is none that was asked for.
 */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/kind.h"
#include "probe/kind_redis_gate.h"
#include "probe/kind_redis_words.h"
#include "probe/tls_link.h"

enum cluster { CLUSTER_UNKNOWN, CLUSTER_YES, CLUSTER_NO };

struct redis {
	struct tls_link link;
	redisReader *reader; /* of this connection, as is */
	struct redis_gate gate;
	size_t received; /* of this question */
	char out[2048];  /* to be sent */
	size_t out_bytes;
	unsigned database;
	bool on_unix;
	enum cluster cluster; /* a proxy may hang up when asked: never again then */
	char *command;        /* as RESP; NULL: none */
	int command_bytes;
};

static void disconnect(struct redis *redis, struct attempt *attempt)
{
	tls_link_close(&redis->link, attempt);
	if (redis->reader)
		redisReaderFree(redis->reader);
	redis->reader = NULL;
}

/* ---- what it says */

static bool begins_with_code(const char *text, const char *code)
{
	size_t length = strlen(code);

	return !strncmp(text, code, length) && (!text[length] || text[length] == ' ');
}

static enum probe_error error_of(const char *text)
{
	static const struct {
		const char *code;
		enum probe_error error;
	} rows[] = {{"NOAUTH", PROBE_AUTH_FAILED}, {"WRONGPASS", PROBE_AUTH_FAILED},
		{"NOPERM", PROBE_AUTH_FAILED}, {"DENIED", PROBE_AUTH_FAILED},
		{"ERR invalid password", PROBE_AUTH_FAILED}, {"ERR AUTH", PROBE_AUTH_FAILED},
		{"ERR Client sent AUTH, but", PROBE_AUTH_FAILED},
		{"ERR wrong number of arguments for 'auth'",
			PROBE_AUTH_FAILED}, /* one password, no users: before 6 */
		{"ERR max number of clients", PROBE_SATURATED}, {"OOM", PROBE_SATURATED},
		{"LOADING", PROBE_NOT_READY}, {"BUSY", PROBE_NOT_READY}, {"UNKILLABLE", PROBE_NOT_READY},
		{"MASTERDOWN", PROBE_NOT_READY}, {"CLUSTERDOWN", PROBE_NOT_READY},
		{"TRYAGAIN", PROBE_NOT_READY}, {"NOREPLICAS", PROBE_NOT_READY}, {"MISCONF", PROBE_NOT_READY},
		{"READONLY", PROBE_WRONG_ROLE}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (begins_with_code(text, rows[i].code))
			return rows[i].error;
	return PROBE_PROTOCOL_ERROR;
}

/* What stands in quotes may be what was sent: a password. */
static bool fail_with(struct attempt *attempt, const char *asked, const redisReply *reply)
{
	return attempt_fail(
		attempt, error_of(reply->str), "%s: %.*s", asked, (int)strcspn(reply->str, "'`\""), reply->str);
}

/* The next reply, or NULL: after it has failed, or with *ended when the connection was closed in good order. */
static redisReply *next_reply(struct redis *redis, struct attempt *attempt, bool *ended)
{
	char bytes[4096];
	void *reply = NULL;

	*ended = false;
	for (;;) {
		long got;

		if (redisReaderGetReply(redis->reader, &reply) != REDIS_OK) {
			(void)attempt_fail(
				attempt, PROBE_PROTOCOL_ERROR, "not redis: %s", redis->reader->errstr);
			return NULL;
		}
		if (reply)
			return reply;
		got = tls_link_receive(&redis->link, attempt, bytes, sizeof(bytes));
		*ended = got == 0;
		if (got <= 0)
			return NULL;
		redis->received += (size_t)got;
		if (redis->received > REDIS_BYTES || !redis_gate_pass(&redis->gate, bytes, (size_t)got)) {
			(void)attempt_fail(attempt, PROBE_PROTOCOL_ERROR,
				"the answer is larger than any that was asked for");
			return NULL;
		}
		(void)redisReaderFeed(
			redis->reader, bytes, (size_t)got); /* its failure is told by the next GetReply */
	}
}

/* The reply to `asked`, no error; NULL after it has failed. */
static redisReply *good_reply(struct redis *redis, struct attempt *attempt, const char *asked)
{
	bool ended;
	redisReply *reply = next_reply(redis, attempt, &ended);

	if (reply && reply->type != REDIS_REPLY_ERROR)
		return reply;
	if (reply)
		(void)fail_with(attempt, asked, reply);
	else if (ended)
		(void)attempt_fail(attempt, PROBE_PROTOCOL_ERROR, "%s: it hung up", asked);
	freeReplyObject(reply);
	return NULL;
}

static bool expect_status(struct redis *redis, struct attempt *attempt, const char *asked, const char *status)
{
	redisReply *reply = good_reply(redis, attempt, asked);
	bool good = reply && reply->type == REDIS_REPLY_STATUS && !strcmp(reply->str, status);

	if (reply && !good)
		(void)attempt_fail(attempt, PROBE_PROTOCOL_ERROR, "%s: the answer is not %s", asked, status);
	freeReplyObject(reply);
	return good;
}

/* ---- what is asked */

/* Puts a command behind those that will be sent together. */
static bool add(struct redis *redis, struct attempt *attempt, unsigned count, const char *const *words)
{
	char *bytes = NULL;
	int length = redisFormatCommandArgv(&bytes, (int)count, (const char **)words, NULL);
	bool fits = length > 0 && (size_t)length <= sizeof(redis->out) - redis->out_bytes;

	if (fits) {
		memcpy(redis->out + redis->out_bytes, bytes, (size_t)length);
		redis->out_bytes += (size_t)length;
	}
	if (length > 0) {
		explicit_bzero(bytes, (size_t)length);
		redisFreeCommand(bytes);
	}
	return fits || attempt_fail(attempt, PROBE_INTERNAL, "user and password are too long");
}

static bool send_all(struct redis *redis, struct attempt *attempt)
{
	bool sent = tls_link_send(&redis->link, attempt, redis->out, redis->out_bytes);

	explicit_bzero(redis->out, redis->out_bytes);
	redis->out_bytes = 0;
	return sent;
}

static bool say(struct redis *redis, struct attempt *attempt, unsigned count, const char *const *words)
{
	return add(redis, attempt, count, words) && send_all(redis, attempt);
}

/* The login and the first PING are one write: a server that has no room for another client says so and hangs up
 * at once, and a second write would be answered by a reset. */
static bool log_in(struct redis *redis, struct attempt *attempt)
{
	const struct dependency_url *at = &attempt->of->at;
	char secret[DEPENDENCY_ASK], database[16];
	const char *with_user[] = {"AUTH", at->user, secret}, *without[] = {"AUTH", secret};
	bool added, authenticate;

	if (!attempt_password(attempt, secret, sizeof(secret)))
		return false;
	authenticate = *secret || *at->user;
	attempt_phase(attempt, authenticate ? PHASE_AUTH : PHASE_ASK);
	added = !authenticate ||
		(*at->user ? add(redis, attempt, 3, with_user) : add(redis, attempt, 2, without));
	explicit_bzero(secret, sizeof(secret));
	(void)snprintf(database, sizeof(database), "%u", redis->database);
	if (!added || (redis->database && !add(redis, attempt, 2, (const char *const[]){"SELECT", database})) ||
		!say(redis, attempt, 1, (const char *const[]){"PING"}))
		return false;
	if (authenticate && !expect_status(redis, attempt, "AUTH", "OK"))
		return false;
	attempt_phase(attempt, PHASE_ASK);
	return !redis->database || expect_status(redis, attempt, "SELECT", "OK");
}

static bool connect_anew(struct redis *redis, struct attempt *attempt)
{
	const struct dependency_url *at = &attempt->of->at;

	disconnect(redis, attempt);
	redis->gate = (struct redis_gate){0};
	redis->out_bytes = 0;
	redis->out_bytes = 0;
	redis->reader = redisReaderCreate();
	if (!redis->reader)
		return attempt_fail(attempt, PROBE_INTERNAL, "out of memory");
	return tls_link_open(&redis->link, attempt, at->port, redis->on_unix ? at->path : NULL) &&
	       (!at->tls || tls_link_secure(&redis->link, attempt)) && log_in(redis, attempt);
}

/* The answer to CLUSTER INFO; whoever knows no clusters is none. */
static bool judge_cluster(struct redis *redis, struct attempt *attempt, const redisReply *reply)
{
	bool is_error = reply->type == REDIS_REPLY_ERROR;

	if (reply->type == REDIS_REPLY_STRING) {
		redis->cluster = CLUSTER_YES;
		return strstr(reply->str, "cluster_state:ok")
			       ? true
			       : attempt_fail(attempt, PROBE_NOT_READY, "cluster_state is not ok");
	}
	if (redis->cluster == CLUSTER_YES)
		return is_error ? fail_with(attempt, "CLUSTER INFO", reply)
				: attempt_fail(
					  attempt, PROBE_PROTOCOL_ERROR, "CLUSTER INFO: not an answer to it");
	redis->cluster = CLUSTER_NO;
	return true;
}

/* A cluster that does not serve all its slots is not ready. */
static bool check_cluster(struct redis *redis, struct attempt *attempt)
{
	bool ended = false, good;
	redisReply *reply;

	if (redis->cluster == CLUSTER_NO)
		return true;
	if (!say(redis, attempt, 2, (const char *const[]){"CLUSTER", "INFO"}))
		return false;
	reply = next_reply(redis, attempt, &ended);
	if (ended) { /* a proxy that does not know the word */
		redis->cluster = CLUSTER_NO;
		return connect_anew(redis, attempt) && expect_status(redis, attempt, "PING", "PONG");
	}
	good = reply && judge_cluster(redis, attempt, reply);
	freeReplyObject(reply);
	return good;
}

static bool judge_role(struct attempt *attempt, const redisReply *reply)
{
	const char *role = reply->elements ? reply->element[0]->str : NULL, *state;
	bool replica;

	if (!role)
		return attempt_fail(attempt, PROBE_PROTOCOL_ERROR, "ROLE: not an answer to it");
	replica = !strcmp(role, "slave") || !strcmp(role, "replica");
	if (replica != (attempt->of->role == ROLE_REPLICA) || (!replica && strcmp(role, "master") != 0))
		return attempt_fail(attempt, PROBE_WRONG_ROLE, "it is a %s", replica ? "replica" : role);
	state = replica && reply->elements > 3 ? reply->element[3]->str : NULL;
	if (replica && (!state || strcmp(state, "connected") != 0))
		return attempt_fail(
			attempt, PROBE_NOT_READY, "its link to the primary: %s", state ? state : "unknown");
	return true;
}

static bool check_role(struct redis *redis, struct attempt *attempt)
{
	redisReply *reply;
	bool good;

	if (attempt->of->role == ROLE_ANY)
		return true;
	reply = say(redis, attempt, 1, (const char *const[]){"ROLE"}) ? good_reply(redis, attempt, "ROLE")
								      : NULL;
	good = reply && judge_role(attempt, reply);
	freeReplyObject(reply);
	return good;
}

static bool take_number(struct attempt *attempt, const redisReply *reply)
{
	const struct dependency *of = attempt->of;
	double value = (double)reply->integer;

	if (reply->type == REDIS_REPLY_INTEGER || (reply->str && redis_words_number(reply->str, &value)))
		attempt_value(attempt, value);
	else if (of->has_min || of->has_max || of->work)
		return attempt_fail(attempt, PROBE_PROTOCOL_ERROR, "command: the answer is no number");
	return true;
}

static bool ask_command(struct redis *redis, struct attempt *attempt)
{
	redisReply *reply;
	bool good;

	if (!redis->command)
		return true;
	if (!tls_link_send(&redis->link, attempt, redis->command, (size_t)redis->command_bytes))
		return false;
	reply = good_reply(redis, attempt, "command");
	good = reply && take_number(attempt, reply);
	freeReplyObject(reply);
	return good;
}

static void ask_redis(void *state, struct attempt *attempt)
{
	struct redis *redis = state;
	bool kept = redis->link.fd >= 0 && !attempt_hung_up(redis->link.fd), good;

	redis->received = 0;
	if (kept) {
		attempt_hold(attempt, redis->link.fd);
		good = say(redis, attempt, 1, (const char *const[]){"PING"});
	} else {
		good = connect_anew(redis, attempt);
	}
	good = good && expect_status(redis, attempt, "PING", "PONG") && check_cluster(redis, attempt) &&
	       check_role(redis, attempt) && ask_command(redis, attempt);
	attempt_hold(attempt, -1);
	if (!good)
		disconnect(redis, attempt);
}

/* ---- what is configured */

static int open_redis(const struct dependency *of, void **state, char *why, size_t why_bytes)
{
	struct redis *redis = calloc(1, sizeof(*redis));
	const char *number;
	char *rest;

	if (!redis)
		return -ENOMEM;
	redis->link = TLS_LINK_NONE;
	redis->on_unix = !strcmp(of->at.scheme, "unix");
	number = redis->on_unix ? strstr(of->at.query, "db=") : of->at.path;
	number = !number ? "" : redis->on_unix ? number + strlen("db=") : number + (*number == '/');
	redis->database = (unsigned)strtoul(number, &rest, 10);
	if (*number && (rest == number || (*rest && *rest != '&') || redis->database > 1U << 16)) {
		(void)snprintf(why, why_bytes, "url: the database is '%.32s', allowed is a number", number);
		free(redis);
		return -EINVAL;
	}
	if (*of->ask) {
		redis->command = redis_words_command(of->ask, &redis->command_bytes);
		if (!redis->command) {
			(void)snprintf(
				why, why_bytes, "command: at most %d words, each quote closed", REDIS_WORDS);
			free(redis);
			return -EINVAL;
		}
	}
	*state = redis;
	return 0;
}

static void close_redis(void *state)
{
	struct redis *redis = state;

	disconnect(redis, NULL);
	free(redis->command);
	free(redis);
}

const struct probe_kind probe_kind = {
	.name = "redis", .open = open_redis, .ask = ask_redis, .close = close_redis};
