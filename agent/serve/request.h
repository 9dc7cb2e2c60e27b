/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client asked for, as far as any answer depends on it. Filled piece by piece from the HTTP library's
 * parsed request; every piece is hostile. Strings belong to the library and live as long as the request.
 */
#ifndef LS_REQUEST_H
#define LS_REQUEST_H

#include <stdbool.h>

enum request_method { METHOD_GET = 1, METHOD_HEAD = 2, METHOD_POST = 4, METHOD_OTHER = 8 };

enum exposition { EXPOSITION_TEXT, EXPOSITION_OPENMETRICS_1, EXPOSITION_OPENMETRICS_0 };

enum { REQUEST_EXCLUDES = 320 }; /* every check at once; more are not excluded: that errs to 503 */

/* Who is at the other end of the connection. */
enum peer_kind { PEER_REMOTE, PEER_LOOPBACK, PEER_UNIX };

struct request {
	const char *check; /* NAME of /readyz/NAME, else NULL */
	bool named; /* asks for one service: /services/NAME/… */
	bool verbose, suspect;
	const char *excludes[REQUEST_EXCLUDES];
	unsigned exclude_count;
	unsigned host_count;
	bool host_is_local, forwarded;
	bool details;
	enum exposition openmetrics;            /* the version that Accept wants most; EXPOSITION_TEXT: none */
	double openmetrics_weight, text_weight; /* their q; 0 when Accept does not name them */
};

enum request_method request_method(const char *method);

/* One parameter of the query, percent-decoded; `value` NULL when there was no '='. */
void request_add_parameter(struct request *request, const char *name, const char *value);

/* One header line. */
void request_add_header(struct request *request, const char *name, const char *value);

/* OpenMetrics only for a client that names it; everyone else, browsers too, gets the text format. */
enum exposition request_exposition(const struct request *request);

/* After the last header: may this client see free text, addresses and command lines? */
void request_decide_details(struct request *request, enum peer_kind peer, bool details_for_all);

/* True for localhost, 127.0.0.0/8 and [::1], each with or without a port. */
bool host_is_local(const char *host);

#endif
