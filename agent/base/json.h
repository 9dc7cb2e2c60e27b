/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes JSON into a buffer: commas, escaping and valid UTF-8 are its business, nesting is the caller's.
 * Threads, failure and memory are the buffer's (base/buf.h).
 */
#ifndef LS_JSON_H
#define LS_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct json {
	struct buf *out;
	bool comma; /* the next element needs one before it */
};

void json_start(struct json *json, struct buf *out);

/* `key`: the member's name inside an object, NULL inside an array and for the outermost value. */
void json_object(struct json *json, const char *key);
void json_object_end(struct json *json);
void json_array(struct json *json, const char *key);
void json_array_end(struct json *json);

void json_null(struct json *json, const char *key);
void json_bool(struct json *json, const char *key, bool value);
void json_int(struct json *json, const char *key, int64_t value);
void json_uint(struct json *json, const char *key, uint64_t value);
void json_double(struct json *json, const char *key, double value);   /* not finite: null */
void json_seconds(struct json *json, const char *key, int64_t ns);    /* 1.234; below zero: 0 */
void json_time(struct json *json, const char *key, int64_t wall_ns);  /* "2026-01-01T00:00:00.000Z" */
void json_text(struct json *json, const char *key, const char *text); /* NULL: null */

/* Of a char array that may be full to its end; empty: null. */
void json_text_within(struct json *json, const char *key, const char *text, size_t size);

#endif
