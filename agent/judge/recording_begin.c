/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/recording.h"

#include <string.h>

#include "judge/recording_parts.h"

/* FNV-1a. */
uint32_t recording_check(uint32_t kind, const void *body, size_t bytes)
{
	const unsigned char *at = body;
	uint32_t sum = UINT32_C(0x811c9dc5) ^ kind;

	for (size_t i = 0; i < bytes; i++)
		sum = (sum ^ at[i]) * UINT32_C(0x01000193);
	return sum;
}

size_t recording_write_begin(const struct recording_begin *begin, unsigned char *bytes, size_t room)
{
	struct recording_out out = {.bytes = bytes, .room = room};

	recording_put(&out, begin->service);
	recording_put(&out, RECORDING_VERSION);
	recording_put(&out, (uint64_t)begin->boot);
	recording_put(&out, (uint64_t)begin->wall);
	recording_put_text(&out, begin->name, strnlen(begin->name, sizeof(begin->name)));
	for (unsigned table = 0; table < RECORDING_TABLES; table++) {
		const struct recording_fields *fields = &recording_tables[table];

		recording_put(&out, fields->count);
		for (unsigned i = 0; i < fields->count; i++)
			recording_put_text(&out, fields->fields[i].name, strlen(fields->fields[i].name));
	}
	return out.full ? 0 : out.used;
}

static uint8_t find_field(unsigned table, const char *name, size_t length)
{
	const struct recording_fields *fields = &recording_tables[table];

	for (unsigned i = 0; i < fields->count; i++) {
		if (strlen(fields->fields[i].name) == length &&
			memcmp(fields->fields[i].name, name, length) == 0)
			return (uint8_t)i;
	}
	return RECORDING_FIELDS;
}

static void get_fields(struct recording_in *in, struct recording_begin *out, unsigned table)
{
	uint64_t count = recording_get(in);

	in->bad |= count > RECORDING_FIELDS;
	for (unsigned i = 0; i < count && !in->bad; i++) {
		size_t length;
		const char *name = recording_get_text(in, &length);

		out->fields[table][i] = find_field(table, name, length);
		out->counts[table] = (uint8_t)(i + 1);
	}
}

bool recording_read_begin(struct recording_begin *out, const unsigned char *body, size_t bytes)
{
	struct recording_in in = {.bytes = body, .room = bytes};
	const char *name;
	size_t length;

	*out = (struct recording_begin){0};
	out->service = (uint32_t)recording_get(&in);
	out->version = (uint32_t)recording_get(&in);
	out->boot = (int64_t)recording_get(&in);
	out->wall = (int64_t)recording_get(&in);
	name = recording_get_text(&in, &length);
	if (in.bad || out->version != RECORDING_VERSION || length >= sizeof(out->name))
		return false;
	memcpy(out->name, name, length);
	for (unsigned table = 0; table < RECORDING_TABLES && !in.bad; table++)
		get_fields(&in, out, table);
	return !in.bad && in.used == in.room;
}
