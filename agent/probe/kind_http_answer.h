/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is this the answer that was asked for? Status, body and JSON pointer of `http`; what another lifesign says
 * about itself, of `follow`. No I/O: what a server sent is judged here and nowhere else. Threads: any. Failure:
 * by attempt_fail(); parsers say false. Memory: nothing is kept.
 */
#ifndef LS_PROBE_KIND_HTTP_ANSWER_H
#define LS_PROBE_KIND_HTTP_ANSWER_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>

#include "probe/attempt.h"

bool http_status_is_up(const struct dependency *of, long status);

/* The body against `body` (compiled as `pattern`; NULL: none), `expect` and `pointer`. Text ends with 0. */
void http_judge_body(struct attempt *attempt, const char *body, size_t bytes, const regex_t *pattern);

/* What a JSON document says where the pointer (RFC 6901) points: a number, also one in quotes; else a text,
 * true and false too. HTTP_NOTHING: there is nothing; HTTP_NO_JSON: it is no JSON. */
enum http_found { HTTP_NO_JSON, HTTP_NOTHING, HTTP_TEXT, HTTP_NUMBER };
enum http_found http_pointer(
	const char *body, size_t bytes, const char *pointer, double *number, char *text, size_t text_bytes);

/* Why another lifesign is not ready. */
struct http_follow {
	bool ready;
	bool loop;             /* only because we are not: what it tells went through ourselves */
	char root[PROBE_ROOT]; /* "orders/db" or "orders/deadlock": where the trouble begins, however many hops
				  away */
	char reason[PROBE_ROOT];  /* the code of its first reason */
	char through[PROBE_ROOT]; /* its dependency that is down; empty: itself */
};

/* Of its /health/status; `own`: the instance that asks, may be empty. False: this is none. */
bool http_follow_status(const char *body, size_t bytes, const char *own, struct http_follow *out);

/* Of its /readyz?verbose, which names neither itself (`name` stands for it) nor what is further away. */
bool http_follow_verbose(const char *body, const char *name, struct http_follow *out);

#endif
