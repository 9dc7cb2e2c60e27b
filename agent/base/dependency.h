/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A dependency as the user configured it: what to ask, how, and what its state means for readiness. Read by
 * base/dependency_file.c from the `dependencies` of the file; used by the prober, which asks, and by the agent,
 * which judges what was answered.
 * Ownership: plain data, no pointers: copied whole. Texts are expanded (${X}) and end with 0.
 * Secrets: `url`, `at.password` and what stands in *_file are never logged, shown or put on a command line.
 */
#ifndef LS_DEPENDENCY_H
#define LS_DEPENDENCY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	DEPENDENCIES = 256, /* at most in one file */
	DEPENDENCY_NAME = 64,
	DEPENDENCY_URL = 1024,
	DEPENDENCY_TEXT = 256,
	DEPENDENCY_ASK = 1024,
	DEPENDENCY_NEEDS = 8,
	DEPENDENCY_WORDS = 16,
	DEPENDENCY_STATUSES = 8
};

/* Rows of dependency_kinds[] (base/dependency_kinds.c): name, URL schemes, keys, default port. */
enum dependency_kind {
	DEPENDENCY_POSTGRES,
	DEPENDENCY_REDIS,
	DEPENDENCY_NATS,
	DEPENDENCY_MONGODB,
	DEPENDENCY_KAFKA,
	DEPENDENCY_HTTP,
	DEPENDENCY_GRPC,
	DEPENDENCY_EXEC,
	DEPENDENCY_TCP,
	DEPENDENCY_DNS,
	DEPENDENCY_MYSQL,
	DEPENDENCY_MEMCACHED,
	DEPENDENCY_PEERS, /* of failOpen.peers: not in a file's list */
	DEPENDENCY_KINDS
};

enum dependency_class { DEPENDENCY_SOFT, DEPENDENCY_HARD, DEPENDENCY_INFO };
enum dependency_role { ROLE_ANY, ROLE_PRIMARY, ROLE_REPLICA };

/* The parts of the URL, percent-decoded. Empty or 0: not given (the port: the kind's own). */
struct dependency_url {
	char scheme[32], user[DEPENDENCY_TEXT], password[DEPENDENCY_TEXT];
	char host[DEPENDENCY_TEXT]; /* without brackets; of a list (mongodb, kafka) the first */
	unsigned port;
	char path[DEPENDENCY_TEXT]; /* with its slash */
	char query[DEPENDENCY_TEXT];
	bool tls; /* by scheme: rediss, https, tls, nats+tls, grpcs, … */
};

struct dependency {
	char name[DEPENDENCY_NAME]; /* unique; a check of readyz */
	enum dependency_kind kind;
	enum dependency_class class;
	unsigned line; /* of the file, for complaints */
	char url[DEPENDENCY_URL];
	struct dependency_url at;
	char password_file[DEPENDENCY_TEXT]; /* read at each new connection, one trailing newline cut */
	char ca_file[DEPENDENCY_TEXT], cert_file[DEPENDENCY_TEXT], key_file[DEPENDENCY_TEXT];
	bool tls_verify; /* default true */
	enum dependency_role role;

	/* what is asked */
	char ask[DEPENDENCY_ASK]; /* `query` (SQL) or `command` (redis words, one line) or a DNS name; empty: the kind's own ping */
	char words[DEPENDENCY_WORDS][DEPENDENCY_TEXT]; /* exec: `command` as a list */
	unsigned word_count;
	char pointer[DEPENDENCY_TEXT]; /* http: JSON pointer (RFC 6901) to a number, or to a text for `expect` */
	char body[DEPENDENCY_TEXT];    /* http: extended regular expression that the body must match */
	struct {
		unsigned from, to;
	} statuses[DEPENDENCY_STATUSES]; /* http: which are up; default 200-299 */
	unsigned status_count;
	char method[16];               /* http: GET unless given */
	char service[DEPENDENCY_TEXT]; /* grpc: service name, empty = the server */
	char send[DEPENDENCY_TEXT], expect[DEPENDENCY_TEXT]; /* tcp: bytes; expect: what the answer begins with */
	char topic[DEPENDENCY_TEXT], group[DEPENDENCY_TEXT]; /* kafka; nats: stream and consumer */
	bool produce;                                        /* kafka */

	/* what the answer must be */
	bool has_min, has_max, work;
	double min, max;
	double latency_seconds; /* slower than this is degraded (`slow`); 0: any */

	/* what it means for others */
	bool follow; /* http to another lifesign: take its root cause over */
	char needs[DEPENDENCY_NEEDS][DEPENDENCY_NAME];
	unsigned need_count;
	char group_name[DEPENDENCY_NAME]; /* of `groups`; empty: none */
};

#endif
