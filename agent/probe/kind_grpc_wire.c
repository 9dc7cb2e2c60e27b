/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/kind_grpc_wire.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { FRAME = 5, FIELD_TEXT = 1 << 3 | 2, VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

static size_t write_varint(size_t value, unsigned char *out)
{
	size_t used = 0;

	for (; value >= 0x80; value >>= 7)
		out[used++] = (unsigned char)(value | 0x80);
	out[used++] = (unsigned char)value;
	return used;
}

size_t grpc_write_check(const char *service, unsigned char *out, size_t room)
{
	size_t length = strlen(service), used = FRAME, body;

	if (length >= 1 << 14 || room < FRAME + 4 + length)
		return 0;
	if (length > 0) {
		out[used++] = FIELD_TEXT;
		used += write_varint(length, out + used);
		memcpy(out + used, service, length);
		used += length;
	}
	body = used - FRAME;
	memcpy(out, (const unsigned char[]){0, 0, 0, (unsigned char)(body >> 8), (unsigned char)body}, FRAME);
	return used;
}

static bool read_varint(const unsigned char **at, const unsigned char *end, uint64_t *out)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
		unsigned char byte = *(*at)++;

		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80) {
			*out = value;
			return true;
		}
	}
	return false;
}

/* Over a field of the type; newer versions of a message may have more of them. */
static bool skip(const unsigned char **at, const unsigned char *end, unsigned type, uint64_t *number)
{
	uint64_t bytes = type == FIXED64 ? 8 : type == FIXED32 ? 4 : 0;

	if (type == VARINT)
		return read_varint(at, end, number);
	if (type == BYTES ? !read_varint(at, end, &bytes) : bytes == 0)
		return false;
	if (bytes > (uint64_t)(end - *at))
		return false;
	*at += bytes;
	return true;
}

static enum grpc_health read_message(const unsigned char *at, const unsigned char *end)
{
	uint64_t tag, number = 0, status = 0; /* absent is 0 */

	while (at < end) {
		if (!read_varint(&at, end, &tag) || !skip(&at, end, tag & 7, &number))
			return GRPC_GARBAGE;
		if (tag == (1 << 3 | VARINT))
			status = number;
	}
	return status < GRPC_OTHER ? (enum grpc_health)status : GRPC_OTHER;
}

enum grpc_health grpc_read_check(const unsigned char *bytes, size_t count)
{
	size_t length;

	if (count < FRAME || bytes[0] != 0) /* compressed: it was not asked for */
		return GRPC_GARBAGE;
	length = (size_t)bytes[1] << 24 | (size_t)bytes[2] << 16 | (size_t)bytes[3] << 8 | bytes[4];
	if (count - FRAME != length)
		return GRPC_GARBAGE;
	return read_message(bytes + FRAME, bytes + count);
}

enum probe_error grpc_status_error(long status, const char **name)
{
	static const struct {
		const char *name;
		enum probe_error error;
	} statuses[] = {{"OK", PROBE_OK}, {"CANCELLED", PROBE_PROTOCOL_ERROR}, {"UNKNOWN", PROBE_NOT_READY},
		{"INVALID_ARGUMENT", PROBE_PROTOCOL_ERROR}, {"DEADLINE_EXCEEDED", PROBE_TIMEOUT},
		{"NOT_FOUND: it has no such service", PROBE_PROTOCOL_ERROR},
		{"ALREADY_EXISTS", PROBE_PROTOCOL_ERROR}, {"PERMISSION_DENIED", PROBE_AUTH_FAILED},
		{"RESOURCE_EXHAUSTED", PROBE_SATURATED}, {"FAILED_PRECONDITION", PROBE_NOT_READY},
		{"ABORTED", PROBE_NOT_READY}, {"OUT_OF_RANGE", PROBE_PROTOCOL_ERROR},
		{"UNIMPLEMENTED: it has no grpc.health.v1", PROBE_PROTOCOL_ERROR},
		{"INTERNAL", PROBE_NOT_READY}, {"UNAVAILABLE", PROBE_NOT_READY}, {"DATA_LOSS", PROBE_NOT_READY},
		{"UNAUTHENTICATED", PROBE_AUTH_FAILED}};

	if (status < 0 || status >= (long)(sizeof statuses / sizeof statuses[0])) {
		*name = "a status that gRPC has not";
		return PROBE_PROTOCOL_ERROR;
	}
	*name = statuses[status].name;
	return statuses[status].error;
}
