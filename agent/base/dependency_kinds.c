/* SPDX-License-Identifier: Apache-2.0 */
#include "base/dependency_table.h"

#include <string.h>

const struct dependency_kind_row dependency_kinds[DEPENDENCY_KINDS] = {
	[DEPENDENCY_POSTGRES] = {.name = "postgres",
		.schemes = {{"postgresql", 5432, false}, {"postgres", 5432, false}},
		.host_free = true,
		.number = "query",
		.asks = "SELECT 1 or `query`"},
	[DEPENDENCY_REDIS] = {.name = "redis",
		.schemes = {{"redis", 6379, false}, {"rediss", 6379, true}, {"unix", 0, false}},
		.number = "command",
		.asks = "PING or `command`"},
	[DEPENDENCY_NATS] = {.name = "nats",
		.schemes = {{"nats", 4222, false}, {"nats+tls", 4222, true}, {"tls", 4222, true}},
		.number = "consumer",
		.asks = "a PONG, or how far a JetStream consumer is behind"},
	[DEPENDENCY_MONGODB] = {.name = "mongodb",
		.schemes = {{"mongodb", 27017, false}}, /* the lookups of mongodb+srv cannot be limited */
		.many_hosts = true,
		.asks = "hello and ping"},
	[DEPENDENCY_KAFKA] = {.name = "kafka",
		.schemes = {{"kafka", 9092, false}, {"kafka+tls", 9092, true}},
		.many_hosts = true,
		.number = "consumerGroup",
		.asks = "the brokers, the leader of `topic`, or how far a consumer group is behind; a user logs in by "
			"SASL PLAIN, or by what `?mechanism=` of the URL says (SCRAM-SHA-256, SCRAM-SHA-512)"},
	[DEPENDENCY_HTTP] = {.name = "http",
		.schemes = {{"http", 80, false}, {"https", 443, true}},
		.number = "pointer",
		.asks = "`method` (GET)"},
	[DEPENDENCY_GRPC] = {.name = "grpc",
		.schemes = {{"grpc", 50051, false}, {"grpcs", 443, true}, {"http", 80, false}, {"https", 443, true}},
		.asks = "grpc.health.v1 for `service`"},
	[DEPENDENCY_EXEC] = {.name = "exec", .without_url = true, .asks = "`command`: exit status 0 up, 1 degraded"},
	[DEPENDENCY_TCP] = {.name = "tcp",
		.schemes = {{"tcp", 0, false}, {"tls", 0, true}, {"unix", 0, false}},
		.asks = "`send` and `expect`; a bare connect proves the other kernel only"},
	[DEPENDENCY_DNS] = {.name = "dns", .schemes = {{"dns", 53, false}}, .host_free = true, .asks = "`query`: a name"},
	[DEPENDENCY_MYSQL] = {.name = "mysql",
		.schemes = {{"mysql", 3306, false}, {"mariadb", 3306, false}, {"mysqls", 3306, true}, {"unix", 0, false}},
		.number = "query",
		.asks = "a ping or `query`"},
	[DEPENDENCY_MEMCACHED] = {.name = "memcached",
		.schemes = {{"memcached", 11211, false}, {"memcached+tls", 11211, true}, {"unix", 0, false}},
		.number = "command",
		.asks = "`version`, or a number of `stats`"},
	[DEPENDENCY_PEERS] = {.name = "peers",
		.schemes = {{"lifesign", 8081, false}},
		.many_hosts = true,
		.asks = "how many siblings have a hard dependency down: by `readiness.failOpen.peers` alone"},
};

static const char *const classes[] = {"soft", "hard", "info", NULL};
static const char *const roles[] = {"any", "primary", "replica", NULL};

#define BIT(kind) (1U << DEPENDENCY_##kind)
#define ALL ((1U << DEPENDENCY_PEERS) - 1)
#define NETWORK (ALL & ~BIT(EXEC))
#define TLS (BIT(POSTGRES) | BIT(REDIS) | BIT(NATS) | BIT(MONGODB) | BIT(KAFKA) | BIT(HTTP) | BIT(GRPC) | BIT(TCP) | BIT(MYSQL) | BIT(MEMCACHED))
#define PASSWORD (BIT(POSTGRES) | BIT(REDIS) | BIT(NATS) | BIT(MONGODB) | BIT(KAFKA) | BIT(HTTP) | BIT(MYSQL) | BIT(MEMCACHED))
#define NUMBERS (ALL & ~(BIT(GRPC) | BIT(TCP) | BIT(MONGODB)))
#define FIELD(member) .offset = offsetof(struct dependency, member), .bytes = sizeof(((struct dependency *)0)->member)

const struct dependency_key dependency_keys[] = {
	{"name", KEY_TEXT, FIELD(name), ALL, .help = "unique; the name of its check in readyz"},
	{"kind", KEY_WORD, FIELD(kind), ALL, .help = "what it is; may be left out when the URL's scheme says it"},
	{"url", KEY_TEXT, FIELD(url), NETWORK, .help = "where it is; values of variables are percent-encoded in it"},
	{"class", KEY_WORD, FIELD(class), ALL, classes, .help = "soft degrades, hard gates readiness, info reports"},
	{"group", KEY_TEXT, FIELD(group_name), ALL, .help = "one of `groups`: enough of its members are enough"},
	{"needs", KEY_NAMES, FIELD(needs), ALL,
		.help = "dependencies without which this one cannot be up; `dns`, when none has that name: the lookup of its host"},
	{"passwordFile", KEY_FILE, FIELD(password_file), PASSWORD, .help = "read at each new connection; one newline at its end is cut"},
	{"caFile", KEY_FILE, FIELD(ca_file), TLS, .help = "certificates to trust instead of the system's"},
	{"certFile", KEY_FILE, FIELD(cert_file), TLS, .help = "the client's certificate"},
	{"keyFile", KEY_FILE, FIELD(key_file), TLS, .help = "the key of that certificate"},
	{"tlsVerify", KEY_SWITCH, FIELD(tls_verify), TLS, .help = "false: any certificate will do"},
	{"role", KEY_WORD, FIELD(role), BIT(POSTGRES) | BIT(REDIS) | BIT(MONGODB) | BIT(MYSQL), roles, .help = "which it must have, else `wrong_role`"},
	{"query", KEY_TEXT, FIELD(ask), BIT(POSTGRES) | BIT(MYSQL) | BIT(DNS), .help = "SQL that gives one number; dns: the name to ask for"},
	{"command", KEY_COMMAND, FIELD(ask), BIT(REDIS) | BIT(EXEC) | BIT(MEMCACHED), .help = "redis: words that give a number; memcached: a name of `stats`; exec: a list of words"},
	{"pointer", KEY_POINTER, FIELD(pointer), BIT(HTTP), .help = "JSON pointer to a number, or to the text that `expect` says"},
	{"status", KEY_STATUSES, FIELD(statuses), BIT(HTTP), .help = "which are up: 200, \"200-299\", or a list of such"},
	{"body", KEY_PATTERN, FIELD(body), BIT(HTTP), .help = "extended regular expression that the body must match"},
	{"method", KEY_TEXT, FIELD(method), BIT(HTTP), .help = "GET unless given"},
	{"follow", KEY_SWITCH, FIELD(follow), BIT(HTTP), .help = "the URL is another lifesign: name its root cause"},
	{"service", KEY_TEXT, FIELD(service), BIT(GRPC), .help = "empty: the server as a whole"},
	{"send", KEY_TEXT, FIELD(send), BIT(TCP), .help = "bytes to send; \\r \\n \\t \\0 \\xNN are escapes"},
	{"expect", KEY_TEXT, FIELD(expect), BIT(TCP) | BIT(HTTP) | BIT(DNS), .help = "what the answer begins with; http: what `pointer` shows; dns: an address among the answers"},
	{"topic", KEY_TEXT, FIELD(topic), BIT(KAFKA), .help = "must have a leader and enough replicas in sync"},
	{"produce", KEY_SWITCH, FIELD(produce), BIT(KAFKA), .help = "a message is produced to `topic`"},
	{"consumerGroup", KEY_TEXT, FIELD(group), BIT(KAFKA), .help = "its lag on `topic` is the value"},
	{"stream", KEY_TEXT, FIELD(topic), BIT(NATS), .help = "JetStream"},
	{"consumer", KEY_TEXT, FIELD(group), BIT(NATS), .help = "its lag on `stream` is the value"},
	{"min", KEY_NUMBER, FIELD(min), NUMBERS, .has = offsetof(struct dependency, has_min), .help = "a smaller value is `threshold`"},
	{"max", KEY_NUMBER, FIELD(max), NUMBERS, .has = offsetof(struct dependency, has_max), .help = "a bigger value is `threshold`"},
	{"work", KEY_SWITCH, FIELD(work), NUMBERS, .help = "the value is work that waits for this service: idle_with_backlog"},
	{"latencySeconds", KEY_SECONDS, FIELD(latency_seconds), ALL, .help = "slower is degraded: `slow`"},
};

const unsigned dependency_key_count = sizeof(dependency_keys) / sizeof(dependency_keys[0]);

enum dependency_kind dependency_kind_named(const char *name)
{
	unsigned kind = 0;

	while (kind < DEPENDENCY_KINDS && strcmp(dependency_kinds[kind].name, name))
		kind++;
	return (enum dependency_kind)kind;
}

static bool has_scheme(const struct dependency_kind_row *row, const char *scheme, size_t length)
{
	for (const struct dependency_scheme *at = row->schemes; at < row->schemes + DEPENDENCY_SCHEMES && at->name; at++)
		if (strlen(at->name) == length && !strncmp(at->name, scheme, length))
			return true;
	return false;
}

enum dependency_kind dependency_kind_of_url(const char *url)
{
	const char *end = strstr(url, "://");
	unsigned found = DEPENDENCY_KINDS;

	for (unsigned kind = 0; end && kind < DEPENDENCY_KINDS; kind++) {
		bool http = kind == DEPENDENCY_HTTP, tcp = kind == DEPENDENCY_TCP;

		/* http:// is http, tls:// and unix:// are tcp, whoever else takes them */
		if (has_scheme(&dependency_kinds[kind], url, (size_t)(end - url)) && (found == DEPENDENCY_KINDS || http || tcp))
			found = kind;
	}
	return (enum dependency_kind)found;
}
