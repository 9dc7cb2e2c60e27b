/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growable byte buffer with an upper bound, for text that is built piece by piece.
 * Threads: one at a time. Failure: out of memory or past the bound sets `failed` and the rest is dropped,
 * so that a caller checks once, at the end. Memory: `data` belongs to the buffer until buf_take.
 */
#ifndef LS_BUF_H
#define LS_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	char *data; /* NUL-terminated as soon as anything was added; may hold NULs before */
	size_t used, size, limit;
	bool failed;
};

/* Empty, without memory; never holds more than `limit` bytes. */
void buf_start(struct buf *buf, size_t limit);
void buf_free(struct buf *buf);

/* Hands the bytes to the caller, who frees them. NULL when failed or empty; the buffer is empty afterwards. */
char *buf_take(struct buf *buf, size_t *bytes);

void buf_add(struct buf *buf, const void *bytes, size_t count);
void buf_char(struct buf *buf, char byte);
void buf_text(struct buf *buf, const char *text);
void buf_uint(struct buf *buf, uint64_t number);
void buf_int(struct buf *buf, int64_t number);
void buf_format(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "%.15g" for finite numbers; the caller says what stands for the others. */
void buf_double(struct buf *buf, double number, const char *not_finite);

/* Nanoseconds as seconds with three decimals, cut, not rounded; below zero counts as zero. */
void buf_seconds(struct buf *buf, int64_t ns);

/* One printable line: what is no printable ASCII comes out as \xNN, quote and backslash with a backslash. */
void buf_printable(struct buf *buf, const char *text);

#endif
