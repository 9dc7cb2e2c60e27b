/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes where a NATS server should be: operations that lie within what came, each of at least a byte, and
 * the same ones however the bytes are cut into pieces.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "probe/kind_nats_wire.c" /* a module's, in none of the rooms */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_within(const char *part, size_t length, const char *bytes, size_t used)
{
	if (part && (part < bytes || part > bytes + used || length > (size_t)(bytes + used - part)))
		abort();
}

static void read_payload(const struct nats_operation *operation)
{
	struct nats_info info;
	double behind = 0;
	char why[32];

	nats_read_info(operation->text, operation->length, &info);
	if (strnlen(info.nonce, sizeof info.nonce) == sizeof info.nonce)
		abort();
	if (nats_error(operation->text, operation->length) >= PROBE_ERRORS)
		abort();
	if (operation->verb == NATS_MESSAGE &&
		nats_read_consumer(operation, &behind, why, sizeof why) >= PROBE_ERRORS)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* a copy of exact size: whoever reads behind it is caught */
	char *bytes = malloc(size + !size);
	struct nats_operation operation, again;
	size_t at = 0;

	if (size)
		memcpy(bytes, data, size);
	for (;;) {
		nats_next(bytes + at, size - at, &operation);
		if (operation.verb == NATS_MORE || operation.verb == NATS_GARBAGE)
			break;
		if (operation.used == 0 || operation.used > size - at)
			abort();
		check_within(operation.text, operation.length, bytes + at, operation.used);
		check_within(operation.headers, operation.headers_length, bytes + at, operation.used);
		nats_next(bytes + at, operation.used - 1, &again);
		if (again.verb != NATS_MORE)
			abort();
		read_payload(&operation);
		at += operation.used;
	}
	free(bytes);
	return 0;
}
