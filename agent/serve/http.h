/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One listener and its HTTP thread. Only http.c and answer.c know libmicrohttpd.
 */
#ifndef LS_HTTP_H
#define LS_HTTP_H

#include <stdbool.h>

#include "serve/guard.h"
#include "serve/render.h"
#include "serve/serve.h"

struct MHD_Daemon;

/* What all listeners of an agent share; immutable while one is open. */
struct http_service {
	struct serve_setup setup;
	struct render_setup render;
	struct snapshot *nothing_yet; /* stands in before the first snapshot */
};

struct http_listener {
	struct MHD_Daemon *daemon; /* NULL: closed */
	const struct http_service *service;
	struct guard guard;
	bool is_unix;
};

/*
 * Starts the thread; the caller has blocked the signals that it shall not see. `fd` stays the caller's and
 * is never shut down. 0 or -errno.
 */
int http_open(struct http_listener *listener, const struct http_service *service,
	const struct child_listener *on, unsigned connections);

/* Stops accepting, ends every connection and the thread; does nothing to one that is closed. */
void http_close(struct http_listener *listener);

#endif
