/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One librdkafka handle, configured for a probe: it resolves through the prober's resolver, never makes topics
 * and keeps the last error that its threads told. Threads: the dependency's; librdkafka's own resolve names.
 * Failure: a reason. Memory: handles end in threads of their own, because librdkafka may wait there for a
 * broker that does not answer.
 */
#ifndef LS_PROBE_KIND_KAFKA_HANDLE_H
#define LS_PROBE_KIND_KAFKA_HANDLE_H

#include <librdkafka/rdkafka.h>

#include "probe/attempt.h"

enum { KAFKA_HOSTS = 8, KAFKA_REASON = 160 };

struct kafka_host {
	char name[DEPENDENCY_TEXT];
	unsigned port;
};

/* What went wrong last, with the handle or a message. */
struct kafka_error {
	rd_kafka_resp_err_t code;
	char reason[KAFKA_REASON];
};

struct kafka_handle {
	rd_kafka_t *rk;               /* NULL: none */
	struct kafka_error error;     /* told by error_cb since the last success */
	bool delivered;               /* a producer's message has come to its end */
	rd_kafka_resp_err_t delivery; /* how */
};

/* The hosts of the URL; 0: there is none. */
unsigned kafka_read_hosts(const struct dependency *of, struct kafka_host out[KAFKA_HOSTS]);

/* Its threads start now, and nothing is waited for. `handle` must stay where it is. */
bool kafka_create(struct kafka_handle *handle, struct attempt *attempt, rd_kafka_type_t type);
void kafka_destroy(struct kafka_handle *handle); /* waits, for those too that were discarded, a moment */

/* Ends it somewhere else, without waiting; the handle stays when too many are ending already. */
void kafka_discard(struct kafka_handle *handle);

/* How long a call of librdkafka may take: a little less than there is, because why it failed is only known
 * then. */
int kafka_left_ms(const struct attempt *attempt);

/* Fails the attempt: by what the call said, or, when it only says that nothing came, by what the threads told.
 */
bool kafka_fail(
	struct kafka_handle *handle, struct attempt *attempt, rd_kafka_resp_err_t code, const char *doing);

/* What a code of librdkafka means; `reason` tells refused from other failures of transport. */
enum probe_error kafka_error_of(rd_kafka_resp_err_t code, const char *reason);

#endif
