/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of recordings share; nobody else includes it: numbers as bytes (seven bits each, the lowest
 * first), and structs as the fields that changed. Pure.
 */
#ifndef LS_RECORDING_PARTS_H
#define LS_RECORDING_PARTS_H

#include "judge/recording.h"

struct recording_out {
	unsigned char *bytes;
	size_t used, room;
	bool full;
};

struct recording_in {
	const unsigned char *bytes;
	size_t used, room;
	bool bad;
};

void recording_put(struct recording_out *out, uint64_t number);
uint64_t recording_get(struct recording_in *in);
void recording_put_text(struct recording_out *out, const char *text, size_t bytes);
const char *recording_get_text(struct recording_in *in, size_t *bytes);

enum recording_table {
	TABLE_FRAME,
	TABLE_LOOK,
	TABLE_PROCESS,
	TABLE_THREAD, /* of knots */
	TABLE_KNOT,
	TABLE_FACTS,
	TABLE_VERDICTS,
	TABLE_REASON
};

struct recording_field {
	const char *name;
	uint16_t offset;
	uint8_t bytes;
	bool is_signed;
	int64_t most; /* a larger number, or one below 0, is no value of it; 0: any is */
};

struct recording_fields {
	const struct recording_field *fields;
	unsigned count;
};

extern const struct recording_fields recording_tables[RECORDING_TABLES];

/* The difference between two of a table's structs; `before` becomes `now` (its fields). False: there is none,
 * and nothing was written. */
bool recording_put_struct(struct recording_out *out, enum recording_table table, const void *now, void *before);
bool recording_differs(enum recording_table table, const void *now, const void *before);
void recording_get_struct(
	struct recording_in *in, const struct recording_begin *begin, enum recording_table table, void *into);

#endif
