/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What http and grpc have in common: one libcurl handle with one kept connection, whose sockets come from
 * attempt_connect, so that names, addresses, phases and errors are those of every other kind, and libcurl never
 * resolves and never waits on its own.
 * Threads: the dependency's. Failure: attempt_fail(), and the connection is dropped: the next question never
 * meets what may still come on an old one. Memory: the link owns the handles and what libcurl was given.
 */
#ifndef LS_PROBE_CURL_LINK_H
#define LS_PROBE_CURL_LINK_H

#include <curl/curl.h>

#include "probe/kind.h"

struct curl_link {
	const struct dependency *of;
	CURL *easy;   /* made by curl_link_begin */
	CURLM *multi; /* owns the connection */
	CURLU *url;
	struct curl_slist *resolve, *headers;
	struct attempt *attempt; /* the one that is asking; NULL between two */
	int fd;                  /* the connection; -1 none */
	unsigned port;
	bool prior_knowledge; /* of HTTP/2 without TLS */
	char secret[DEPENDENCY_TEXT];
	char error[CURL_ERROR_SIZE];
};

/* Memory only. `scheme`: http or https, as libcurl calls it. 0, or -errno with a reason for a person. */
int curl_link_open(
	struct curl_link *link, const struct dependency *of, const char *scheme, char *why, size_t why_bytes);
void curl_link_close(struct curl_link *link);

/* Sent with each request. */
bool curl_link_header(struct curl_link *link, const char *line);

/* The handle, ready for the kind's own options, or NULL after it has failed. */
CURL *curl_link_begin(struct curl_link *link, struct attempt *attempt);

/* Asks, and gives the HTTP status, or 0 after it has failed. `cut`: the writer stopped on purpose. */
long curl_link_perform(struct curl_link *link, bool *cut);

/* The next question is asked on a new connection. */
void curl_link_drop(struct curl_link *link);

/* What is wrong with a server that answers with this status: auth_failed, saturated, not_ready, protocol_error.
 */
enum probe_error curl_status_error(long status);

#endif
