/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum { FIRST_BYTES = 512, FORMAT_BYTES = 512 };

void buf_start(struct buf *buf, size_t limit)
{
	*buf = (struct buf){.limit = limit};
}

void buf_free(struct buf *buf)
{
	free(buf->data);
	*buf = (struct buf){.limit = buf->limit};
}

char *buf_take(struct buf *buf, size_t *bytes)
{
	char *data = buf->data;

	if (buf->failed || !data) {
		buf_free(buf);
		return NULL;
	}
	*bytes = buf->used;
	*buf = (struct buf){.limit = buf->limit};
	return data;
}

/* Room for `count` more bytes and a NUL. */
static bool make_room(struct buf *buf, size_t count)
{
	size_t size = buf->size ? buf->size : FIRST_BYTES;
	char *data;

	if (buf->failed || count > buf->limit - buf->used)
		return false;
	if (buf->used + count < buf->size)
		return true;
	while (size <= buf->used + count)
		size *= 2;
	data = realloc(buf->data, size);
	if (!data)
		return false;
	buf->data = data;
	buf->size = size;
	return true;
}

void buf_add(struct buf *buf, const void *bytes, size_t count)
{
	if (!make_room(buf, count)) {
		buf->failed = true;
		return;
	}
	memcpy(buf->data + buf->used, bytes, count);
	buf->used += count;
	buf->data[buf->used] = '\0';
}

void buf_char(struct buf *buf, char byte)
{
	buf_add(buf, &byte, 1);
}

void buf_text(struct buf *buf, const char *text)
{
	buf_add(buf, text, strlen(text));
}

void buf_uint(struct buf *buf, uint64_t number)
{
	char digits[20];
	char *first = digits + sizeof digits;

	do {
		*--first = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	buf_add(buf, first, (size_t)(digits + sizeof digits - first));
}

void buf_int(struct buf *buf, int64_t number)
{
	if (number < 0)
		buf_char(buf, '-');
	buf_uint(buf, number < 0 ? -(uint64_t)number : (uint64_t)number);
}

void buf_format(struct buf *buf, const char *format, ...)
{
	char text[FORMAT_BYTES];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	if (length < 0 || (size_t)length >= sizeof text) {
		buf->failed = true;
		return;
	}
	buf_add(buf, text, (size_t)length);
}

void buf_double(struct buf *buf, double number, const char *not_finite)
{
	if (isfinite(number))
		buf_format(buf, "%.15g", number);
	else
		buf_text(buf, not_finite);
}

void buf_seconds(struct buf *buf, int64_t ns)
{
	uint64_t ms = ns > 0 ? (uint64_t)(ns / NS_PER_MS) : 0;
	char decimals[4] = {
		'.', (char)('0' + ms / 100 % 10), (char)('0' + ms / 10 % 10), (char)('0' + ms % 10)};

	buf_uint(buf, ms / 1000);
	buf_add(buf, decimals, sizeof decimals);
}

void buf_printable(struct buf *buf, const char *text)
{
	for (const unsigned char *byte = (const unsigned char *)text; *byte; byte++) {
		if (*byte < ' ' || *byte > '~') {
			buf_format(buf, "\\x%02x", *byte);
			continue;
		}
		if (*byte == '"' || *byte == '\\')
			buf_char(buf, '\\');
		buf_char(buf, (char)*byte);
	}
}
