/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mongodb: hello and ping by a client of libmongoc that is kept while all is well; its streams are ours
 * (kind_mongodb_stream.h). One that failed is made anew: libmongoc would not ask a server again for 5 s. One
 * host and no replicaSet: that server; else the set, as the driver of the service sees it.
 *
 * Threads: see kind.h; no thread of libmongoc. Failure: see kind.h. Memory: libmongoc's, freed with the client.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/kind.h"
#include "probe/kind_mongodb_stream.h"
#include "probe/kind_mongodb_uri.h"

struct mongodb {
	mongoc_client_t *client;
	mongoc_read_prefs_t *preferred;
	struct mongodb_uri uri;
	struct mongodb_streams streams;
};

static void disconnect(struct mongodb *mongodb, struct attempt *attempt)
{
	mongodb->streams.attempt = NULL; /* ending may wait for nothing */
	if (attempt)
		attempt_hold(attempt, -1);
	if (mongodb->client)
		mongoc_client_destroy(mongodb->client);
	mongodb->client = NULL;
}

/* ---- what went wrong */

static enum probe_error error_of(uint32_t code)
{
	static const struct {
		uint32_t code;
		enum probe_error error;
	} rows[] = {
		{13, PROBE_AUTH_FAILED}, {18, PROBE_AUTH_FAILED}, {8000, PROBE_AUTH_FAILED}, /* Atlas */
		{50, PROBE_TIMEOUT}, {262, PROBE_TIMEOUT}, {89, PROBE_TIMEOUT},
		{91, PROBE_NOT_READY},                            /* shutting down */
		{189, PROBE_NOT_READY}, {10107, PROBE_NOT_READY}, /* changing places */
		{13435, PROBE_NOT_READY}, {13436, PROBE_NOT_READY}, {11600, PROBE_NOT_READY},
		{11602, PROBE_NOT_READY}, {211, PROBE_NOT_READY},
		{462, PROBE_SATURATED}, /* ingress is limited */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (rows[i].code == code)
			return rows[i].error;
	return PROBE_PROTOCOL_ERROR;
}

/* Has any host said what it is? Then those that are down are not what is missing. */
static bool somebody_answered(const mongoc_client_t *client)
{
	size_t count = 0;
	mongoc_server_description_t **list = mongoc_client_get_server_descriptions(client, &count);
	bool found = false;

	for (size_t i = 0; i < count; i++)
		found = found || strcmp(mongoc_server_description_type(list[i]), "Unknown") != 0;
	mongoc_server_descriptions_destroy_all(list, count);
	return found;
}

static bool fail_with(struct mongodb *mongodb, struct attempt *attempt, const bson_error_t *error)
{
	const struct mongodb_streams *set = &mongodb->streams;
	bool login = error->domain == MONGOC_ERROR_SCRAM ||
		     (error->domain == MONGOC_ERROR_CLIENT && error->code == MONGOC_ERROR_CLIENT_AUTHENTICATE);
	bool broke_off = set->error == PROBE_TIMEOUT || set->error == PROBE_PROTOCOL_ERROR;

	if (error->domain == MONGOC_ERROR_SERVER)
		return attempt_fail(attempt, error_of(error->code), "%s", error->message);
	if (error->domain == MONGOC_ERROR_SERVER_SELECTION && somebody_answered(mongodb->client))
		return attempt_fail(attempt, PROBE_NOT_READY, "the set has no such member: %s", error->message);
	if (set->error && (!login || broke_off))
		return attempt_fail(attempt, set->error, "%s", set->detail);
	if (login)
		return attempt_fail(attempt, PROBE_AUTH_FAILED, "%s", error->message);
	return attempt_fail(attempt, PROBE_PROTOCOL_ERROR, "%s", error->message);
}

/* ---- asking */

static bool connect_anew(struct mongodb *mongodb, struct attempt *attempt)
{
	static const char *const limits[] = {
		MONGOC_URI_SERVERSELECTIONTIMEOUTMS, MONGOC_URI_CONNECTTIMEOUTMS, MONGOC_URI_SOCKETTIMEOUTMS};
	mongoc_uri_t *uri = mongoc_uri_copy(mongodb->uri.uri);
	char secret[DEPENDENCY_ASK];
	int left = attempt_left_ms(attempt);

	disconnect(mongodb, attempt);
	mongodb->streams.attempt = attempt;
	if (!attempt_password(attempt, secret, sizeof(secret))) {
		mongoc_uri_destroy(uri);
		return false;
	}
	if (*secret)
		(void)mongoc_uri_set_password(uri, secret); /* UTF-8 or refused by the server */
	explicit_bzero(secret, sizeof(secret));
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++)
		(void)mongoc_uri_set_option_as_int32(uri, limits[i], left > 0 ? left : 1);
	(void)mongoc_uri_set_option_as_bool(uri, MONGOC_URI_SERVERSELECTIONTRYONCE, true);
	mongodb->client = mongoc_client_new_from_uri(uri);
	mongoc_uri_destroy(uri);
	if (!mongodb->client)
		return attempt_fail(attempt, PROBE_INTERNAL, "libmongoc takes no such client");
	(void)mongoc_client_set_error_api(mongodb->client, MONGOC_ERROR_API_VERSION_2);
	mongoc_client_set_stream_initiator(mongodb->client, mongodb_stream_open, &mongodb->streams);
	return true;
}

/* One command of the database admin; the reply is to be destroyed whatever it says. */
static bool run(struct mongodb *mongodb, const char *name, uint32_t server, bson_t *reply, bson_error_t *error)
{
	bson_t *command = BCON_NEW(name, BCON_INT32(1));
	bool good = mongoc_client_command_simple_with_server_id(
		mongodb->client, "admin", command, mongodb->preferred, server, reply, error);

	bson_destroy(command);
	return good;
}

static bool is_true(const bson_t *reply, const char *key)
{
	bson_iter_t at;

	return bson_iter_init_find(&at, reply, key) && bson_iter_as_bool(&at);
}

static bool judge_hello(struct attempt *attempt, const bson_t *reply)
{
	bool primary = is_true(reply, "isWritablePrimary") || is_true(reply, "ismaster");
	bool secondary = is_true(reply, "secondary");

	if (!primary && !secondary)
		return attempt_fail(attempt, PROBE_NOT_READY, "it is neither primary nor secondary");
	if ((attempt->of->role == ROLE_PRIMARY && !primary) ||
		(attempt->of->role == ROLE_REPLICA && !secondary))
		return attempt_fail(attempt, PROBE_WRONG_ROLE, "it is a %s", primary ? "primary" : "secondary");
	return true;
}

static bool say_hello(struct mongodb *mongodb, struct attempt *attempt, uint32_t server)
{
	bson_error_t error = {0};
	bson_t reply;
	bool good = run(mongodb, "hello", server, &reply, &error);

	if (!good && error.domain == MONGOC_ERROR_SERVER &&
		error.code == 59) { /* no such command: before 4.4.2 */
		bson_destroy(&reply);
		good = run(mongodb, "isMaster", server, &reply, &error);
	}
	good = good ? judge_hello(attempt, &reply) : fail_with(mongodb, attempt, &error);
	bson_destroy(&reply);
	return good;
}

static bool ping(struct mongodb *mongodb, struct attempt *attempt, uint32_t server)
{
	bson_error_t error = {0};
	bson_t reply;
	bool good = run(mongodb, "ping", server, &reply, &error) || fail_with(mongodb, attempt, &error);

	bson_destroy(&reply);
	return good;
}

static bool select_server(struct mongodb *mongodb, struct attempt *attempt, uint32_t *out)
{
	bson_error_t error = {0};
	mongoc_server_description_t *found =
		mongoc_client_select_server(mongodb->client, false, mongodb->preferred, &error);

	if (!found)
		return fail_with(mongodb, attempt, &error);
	*out = mongoc_server_description_id(found);
	mongoc_server_description_destroy(found);
	return true;
}

static void ask_mongodb(void *state, struct attempt *attempt)
{
	struct mongodb *mongodb = state;
	uint32_t server = 0;
	bool good = true;

	mongodb->streams.attempt = attempt;
	mongodb->streams.hosts = mongodb->uri.hosts;
	mongodb->streams.error = PROBE_OK;
	if (!mongodb->client || mongodb_streams_hung_up(&mongodb->streams))
		good = connect_anew(mongodb, attempt);
	good = good && select_server(mongodb, attempt, &server);
	good = good && say_hello(mongodb, attempt, server);
	attempt_phase(attempt, PHASE_ASK);
	good = good && ping(mongodb, attempt, server);
	attempt_hold(attempt, -1);
	if (!good)
		disconnect(mongodb, attempt);
	mongodb->streams.attempt = NULL;
}

/* ---- what is configured */

static void begin_library(void)
{
	mongoc_init();
	mongoc_log_set_handler(NULL, NULL); /* it would write to stderr */
}

static int open_mongodb(const struct dependency *of, void **state, char *why, size_t why_bytes)
{
	static const mongoc_read_mode_t modes[] = {[ROLE_ANY] = MONGOC_READ_PRIMARY_PREFERRED,
		[ROLE_PRIMARY] = MONGOC_READ_PRIMARY,
		[ROLE_REPLICA] = MONGOC_READ_SECONDARY};
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct mongodb *mongodb = calloc(1, sizeof(*mongodb));

	if (!mongodb)
		return -ENOMEM;
	(void)pthread_once(&once, begin_library);
	if (!mongodb_uri_read(&mongodb->uri, of, why, why_bytes)) {
		free(mongodb);
		return -EINVAL;
	}
	mongodb->streams.of = &mongodb->uri.of;
	mongodb->streams.tls = mongodb->uri.tls;
	mongodb->preferred = mongoc_read_prefs_new(modes[of->role]);
	*state = mongodb;
	return 0;
}

static void close_mongodb(void *state)
{
	struct mongodb *mongodb = state;

	disconnect(mongodb, NULL);
	mongoc_read_prefs_destroy(mongodb->preferred);
	mongoc_uri_destroy(mongodb->uri.uri);
	free(mongodb);
}

const struct probe_kind probe_kind = {
	.name = "mongodb", .open = open_mongodb, .ask = ask_mongodb, .close = close_mongodb};
