/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libmongoc talks through: a link of ours, so that its connecting, TLS and waiting are ours, each within
 * the attempt's deadline. Its own limits are added up, host by host, and its lookups cannot be ended.
 *
 * Threads: the dependency's own. Failure: the stream's error is kept in the set, since a host that is down is
 * no failure while another answers. Memory: libmongoc destroys its streams.
 */
#ifndef LS_KIND_MONGODB_STREAM_H
#define LS_KIND_MONGODB_STREAM_H

#include <mongoc/mongoc.h>

#include "probe/attempt.h"

enum { MONGODB_STREAMS = 16 };

/* All streams of one client. */
struct mongodb_streams {
	const struct dependency *of; /* of the caller, TLS as the URI has it; at.host is the stream's own */
	struct attempt *attempt;     /* NULL: nothing may wait */
	unsigned hosts;              /* that are still to be tried in this attempt */
	enum probe_error error;      /* the last one of any; PROBE_OK: none */
	char detail[PROBE_DETAIL];
	bool tls;
	mongoc_stream_t *kept[MONGODB_STREAMS]; /* those that are open; NULL: a free place */
};

/* For mongoc_client_set_stream_initiator. */
mongoc_stream_t *mongodb_stream_open(
	const mongoc_uri_t *uri, const mongoc_host_list_t *host, void *streams, bson_error_t *error);

/* Has the other side ended one of them? */
bool mongodb_streams_hung_up(const struct mongodb_streams *set);
#endif
