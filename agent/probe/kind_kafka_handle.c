/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/kind_kafka_handle.h"

#include <limits.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

enum { WHY = 256, RESOLVE_SECONDS = 2, DESTROY_SECONDS = 2, ENDING_MOST = 4, MARGIN_MS = 100 };

unsigned kafka_read_hosts(const struct dependency *of, struct kafka_host out[KAFKA_HOSTS])
{
	const char *at = strstr(of->url, "://"), *user;
	unsigned count = 0;
	size_t all, length;

	at = at ? at + 3 : of->url;
	all = strcspn(at, "/?#");
	for (user = at; (user = memchr(user, '@', all)) != NULL; at = user)
		all -= (size_t)(++user - at);
	for (; all > 0 && count < KAFKA_HOSTS; at += length + 1, all -= length < all ? length + 1 : length) {
		const char *colon;

		length = strcspn(at, ",");
		length = length < all ? length : all;
		colon = memrchr(at, ':', length);
		if (colon && memchr(colon, ']', length - (size_t)(colon - at)))
			colon = NULL; /* [v6] without a port */
		out[count].port = colon ? (unsigned)strtoul(colon + 1, NULL, 10) : of->at.port;
		snprintf(out[count].name, sizeof out[count].name, "%.*s",
			(int)((colon ? colon : at + length) - at - 2 * (*at == '[')), at + (*at == '['));
		count += out[count].name[0] != '\0';
	}
	return count;
}

/* ---- what librdkafka's threads call */

struct addresses {
	struct addrinfo list[ATTEMPT_ADDRESSES]; /* first: what librdkafka gets, it gives back */
	struct attempt_address from[ATTEMPT_ADDRESSES];
};

/* Names through the prober's resolver, like everybody's; NULL: gives `out` back. Touches nothing of the handle,
 * which may be gone while its threads still end. */
static int resolve(
	const char *node, const char *port, const struct addrinfo *hints, struct addrinfo **out, void *data)
{
	struct probe_result unused;
	struct addresses *made;
	struct attempt attempt;
	unsigned count;

	(void)hints, (void)data;
	if (!node) {
		free(*out);
		return 0;
	}
	made = calloc(1, sizeof *made);
	if (!made)
		return EAI_MEMORY;
	attempt_begin(
		&attempt, NULL, &unused, clock_mono_ns(), clock_mono_ns() + RESOLVE_SECONDS * NS_PER_SECOND);
	count = attempt_resolve(&attempt, node, (unsigned)strtoul(port, NULL, 10), made->from);
	attempt_end(&attempt);
	for (unsigned i = 0; i < count; i++)
		made->list[i] = (struct addrinfo){.ai_family = made->from[i].address.ss_family,
			.ai_socktype = SOCK_STREAM,
			.ai_addrlen = made->from[i].length,
			.ai_addr = (struct sockaddr *)&made->from[i].address,
			.ai_next = i + 1 < count ? &made->list[i + 1] : NULL};
	if (count == 0)
		free(made);
	else
		*out = made->list;
	return count ? 0 : EAI_NONAME;
}

/* In rd_kafka_poll, so in our own thread. Why each broker is down tells more than that all are. */
static void take_error(rd_kafka_t *rk, int code, const char *reason, void *data)
{
	struct kafka_handle *handle = data;

	(void)rk;
	if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && handle->error.code)
		return;
	handle->error.code = (rd_kafka_resp_err_t)code;
	snprintf(handle->error.reason, sizeof handle->error.reason, "%s", reason);
}

static void take_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *data)
{
	struct kafka_handle *handle = data;

	(void)rk;
	handle->delivered = true;
	handle->delivery = message->err;
}

/* All of it comes as errors too; who cares may set `debug`. */
static void log_nothing(const rd_kafka_t *rk, int level, const char *area, const char *text)
{
	(void)rk, (void)level, (void)area, (void)text;
}

/* ---- making and ending */

struct setting {
	const char *name, *value; /* NULL or empty: not set */
};

static bool set_all(
	rd_kafka_conf_t *conf, const struct setting *settings, size_t count, struct attempt *attempt)
{
	char why[WHY];

	for (size_t i = 0; i < count; i++)
		if (settings[i].value && settings[i].value[0] &&
			rd_kafka_conf_set(conf, settings[i].name, settings[i].value, why, sizeof why) !=
				RD_KAFKA_CONF_OK)
			return attempt_fail(attempt, PROBE_INTERNAL, "%s", why);
	return true;
}

/* PLAIN, or what ?mechanism= of the URL says. */
static bool set_security(rd_kafka_conf_t *conf, struct attempt *attempt)
{
	const struct dependency *of = attempt->of;
	const char *mechanism = strstr(of->at.query, "mechanism=");
	char secret[DEPENDENCY_TEXT], named[32] = "PLAIN";
	bool known = of->at.user[0], done;

	if (mechanism)
		snprintf(named, sizeof named, "%.*s", (int)strcspn(mechanism + 10, "&"), mechanism + 10);
	if (!attempt_password(attempt, secret, sizeof secret))
		return false;
	const struct setting settings[] = {
		{"security.protocol", known        ? of->at.tls ? "sasl_ssl" : "sasl_plaintext"
				      : of->at.tls ? "ssl"
						   : "plaintext"},
		{"sasl.mechanism", known ? named : NULL}, {"sasl.username", known ? of->at.user : NULL},
		{"sasl.password", known ? secret : NULL}, {"ssl.ca.location", of->at.tls ? of->ca_file : NULL},
		{"ssl.certificate.location", of->at.tls ? of->cert_file : NULL},
		{"ssl.key.location", of->at.tls ? of->key_file : NULL},
		{"enable.ssl.certificate.verification", of->tls_verify ? "true" : "false"},
		{"ssl.endpoint.identification.algorithm", of->tls_verify ? "https" : "none"}};

	done = set_all(conf, settings, sizeof settings / sizeof settings[0], attempt);
	explicit_bzero(secret, sizeof secret);
	return done;
}

static void write_servers(const struct dependency *of, char *out, size_t bytes)
{
	struct kafka_host hosts[KAFKA_HOSTS];
	unsigned count = kafka_read_hosts(of, hosts);
	size_t used = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < count && used < bytes; i++)
		used += (size_t)snprintf(out + used, bytes - used,
			strchr(hosts[i].name, ':') ? "%s[%s]:%u" : "%s%s:%u", i ? "," : "", hosts[i].name,
			hosts[i].port);
}

/* Requests end, and their connections with them, when the budget of one question is over. */
static bool configure(rd_kafka_conf_t *conf, rd_kafka_type_t type, struct attempt *attempt)
{
	bool producer = type == RD_KAFKA_PRODUCER;
	char servers[DEPENDENCY_URL], budget[16];
	int left = attempt_left_ms(attempt);

	write_servers(attempt->of, servers, sizeof servers);
	snprintf(budget, sizeof budget, "%d", left < 100 ? 100 : left > 60000 ? 60000 : left);
	const struct setting settings[] = {{"bootstrap.servers", servers}, {"client.id", "lifesign"},
		{"socket.timeout.ms", budget}, {"socket.max.fails", "1"}, {"socket.keepalive.enable", "true"},
		{"socket.nagle.disable", "true"}, {"reconnect.backoff.ms", "50"},
		{"reconnect.backoff.max.ms", "500"}, {"topic.metadata.refresh.interval.ms", "-1"},
		{"log.connection.close", "true"}, {"group.id", producer ? NULL : attempt->of->group},
		{"enable.auto.commit", producer ? NULL : "false"},
		{"allow.auto.create.topics", producer ? NULL : "false"},
		{"message.timeout.ms", producer ? budget : NULL}, {"acks", producer ? "all" : NULL},
		{"linger.ms", producer ? "0" : NULL}};

	rd_kafka_conf_set_resolve_cb(conf, resolve);
	rd_kafka_conf_set_error_cb(conf, take_error);
	rd_kafka_conf_set_log_cb(conf, log_nothing);
	if (producer)
		rd_kafka_conf_set_dr_msg_cb(conf, take_delivery);
	return set_all(conf, settings, sizeof settings / sizeof settings[0], attempt) &&
	       set_security(conf, attempt);
}

bool kafka_create(struct kafka_handle *handle, struct attempt *attempt, rd_kafka_type_t type)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char why[WHY];

	*handle = (struct kafka_handle){0};
	rd_kafka_conf_set_opaque(conf, handle);
	if (configure(conf, type, attempt)) {
		handle->rk = rd_kafka_new(type, conf, why, sizeof why);
		if (handle->rk)
			return true; /* it owns conf */
		attempt_fail(attempt, PROBE_INTERNAL, "librdkafka: %s", why);
	}
	rd_kafka_conf_destroy(conf);
	return false;
}

/* Handles that end in threads of their own. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t one_ended;
	unsigned count;
} ending = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};

static void count_ended(void)
{
	pthread_mutex_lock(&ending.lock);
	ending.count--;
	pthread_cond_broadcast(&ending.one_ended);
	pthread_mutex_unlock(&ending.lock);
}

static void *destroy_main(void *data)
{
	rd_kafka_destroy_flags(data, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	count_ended();
	return NULL;
}

/* Unless `most` are at it already. */
static void begin_to_destroy(struct kafka_handle *handle, unsigned most)
{
	pthread_t thread;
	bool room;

	pthread_mutex_lock(&ending.lock);
	room = handle->rk && ending.count < most;
	ending.count += room;
	pthread_mutex_unlock(&ending.lock);
	if (!room)
		return;
	rd_kafka_purge(handle->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
	if (pthread_create(&thread, NULL, destroy_main, handle->rk) == 0) {
		pthread_detach(thread);
		handle->rk = NULL;
	} else {
		count_ended(); /* not even begun: it goes on */
	}
}

void kafka_discard(struct kafka_handle *handle)
{
	begin_to_destroy(handle, ENDING_MOST);
}

void kafka_destroy(struct kafka_handle *handle)
{
	struct timespec until = {.tv_sec = clock_wall_ns() / NS_PER_SECOND + DESTROY_SECONDS};
	int late = 0;

	begin_to_destroy(handle, UINT_MAX);
	pthread_mutex_lock(&ending.lock);
	while (ending.count > 0 && !late) /* who is late ends with the prober */
		late = pthread_cond_timedwait(&ending.one_ended, &ending.lock, &until);
	pthread_mutex_unlock(&ending.lock);
}

int kafka_left_ms(const struct attempt *attempt)
{
	int64_t margin = (attempt->deadline - attempt->began) / NS_PER_MS / 20;
	int left = attempt_left_ms(attempt) - (int)(margin < MARGIN_MS ? margin : MARGIN_MS);

	return left > 0 ? left : 0;
}

/* ---- what went wrong */

enum probe_error kafka_error_of(rd_kafka_resp_err_t code, const char *reason)
{
	static const struct {
		rd_kafka_resp_err_t code;
		enum probe_error error;
	} rows[] = {{RD_KAFKA_RESP_ERR__AUTHENTICATION, PROBE_AUTH_FAILED},
		{RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, PROBE_AUTH_FAILED},
		{RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, PROBE_AUTH_FAILED},
		{RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, PROBE_AUTH_FAILED},
		{RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, PROBE_AUTH_FAILED},
		{RD_KAFKA_RESP_ERR__SSL, PROBE_TLS_ERROR}, {RD_KAFKA_RESP_ERR__RESOLVE, PROBE_DNS_NXDOMAIN},
		{RD_KAFKA_RESP_ERR__TIMED_OUT, PROBE_TIMEOUT},
		{RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE, PROBE_TIMEOUT},
		{RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, PROBE_TIMEOUT},
		{RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, PROBE_TIMEOUT},
		{RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, PROBE_NOT_READY},
		{RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, PROBE_NOT_READY},
		{RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, PROBE_NOT_READY},
		{RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, PROBE_NOT_READY},
		{RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, PROBE_NOT_READY},
		{RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE, PROBE_NOT_READY},
		{RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE, PROBE_NOT_READY},
		{RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, PROBE_NOT_READY},
		{RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND, PROBE_NOT_READY},
		{RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, PROBE_NOT_READY},
		{RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, PROBE_NOT_READY},
		{RD_KAFKA_RESP_ERR_NOT_COORDINATOR, PROBE_NOT_READY},
		{RD_KAFKA_RESP_ERR__WAIT_COORD, PROBE_NOT_READY},
		{RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR, PROBE_NOT_READY},
		{RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED, PROBE_SATURATED},
		{RD_KAFKA_RESP_ERR__QUEUE_FULL, PROBE_SATURATED}};

	static const struct {
		const char *part;
		enum probe_error error;
	} transport[] = {{"refused", PROBE_REFUSED}, {"imed out", PROBE_TIMEOUT},
		{"require SASL", PROBE_AUTH_FAILED}, /* it hung up where brokers do that ask for a login */
		{"SSL_HANDSHAKE", PROBE_TLS_ERROR}, {"SSL routines", PROBE_TLS_ERROR}};

	for (size_t i = 0; code == RD_KAFKA_RESP_ERR__TRANSPORT && i < sizeof transport / sizeof transport[0];
		i++)
		if (strstr(reason, transport[i].part))
			return transport[i].error;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (rows[i].code == code)
			return rows[i].error;
	return PROBE_PROTOCOL_ERROR;
}

bool kafka_fail(
	struct kafka_handle *handle, struct attempt *attempt, rd_kafka_resp_err_t code, const char *doing)
{
	const struct kafka_error *told = &handle->error;
	bool silent = code == RD_KAFKA_RESP_ERR__TIMED_OUT || code == RD_KAFKA_RESP_ERR__TRANSPORT ||
		      code == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT || code == RD_KAFKA_RESP_ERR__WAIT_COORD;

	if (silent && told->code && told->code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
		return attempt_fail(attempt, kafka_error_of(told->code, told->reason), "%s", told->reason);
	if (code == RD_KAFKA_RESP_ERR__TRANSPORT)
		code = RD_KAFKA_RESP_ERR__TIMED_OUT; /* no broker was found within the time */
	return attempt_fail(attempt, kafka_error_of(code, ""), "%s: %s", doing, rd_kafka_err2str(code));
}
