/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libpq's texts mean. It keeps SQLSTATE and errno of a failed login to itself, so both are read from its
 * message: SQLSTATE, which no language changes, by PQERRORS_VERBOSE; errno by strerror.
 * Threads: any. Failure: protocol_error. Memory: none; details are cut to their field.
 */
#ifndef LS_KIND_POSTGRES_TEXT_H
#define LS_KIND_POSTGRES_TEXT_H

#include "base/probe_wire.h"

struct postgres_text {
	enum probe_error error;
	int error_number; /* of the network; 0: none */
	char detail[PROBE_DETAIL];
};

/* PQerrorMessage, in that phase. */
void postgres_text_read(const char *message, enum probe_phase phase, struct postgres_text *out);

/* An answer's SQLSTATE and text (may be NULL). */
void postgres_text_state(const char *state, const char *text, struct postgres_text *out);

/* Is all of it a number, or t or f? */
bool postgres_text_number(const char *text, double *out);

#endif
