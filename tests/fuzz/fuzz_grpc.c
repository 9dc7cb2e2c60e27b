/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes where a HealthCheckResponse should be, and any name of a service in our question. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "probe/kind_grpc_wire.c" /* a module's, in none of the rooms */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char *bytes = malloc(size + !size), question[512];
	char service[300] = "";
	const char *name;
	size_t wrote;

	if (size)
		memcpy(bytes, data, size);
	memcpy(service, data, size < sizeof service ? size : sizeof service - 1);
	if (grpc_read_check(bytes, size) > GRPC_GARBAGE)
		abort();
	wrote = grpc_write_check(service, question, sizeof question);
	if (wrote < 5 || wrote > sizeof question || question[4] + 256U * question[3] != wrote - 5)
		abort();
	if (grpc_status_error(size ? (long)data[0] - 3 : 0, &name) >= PROBE_ERRORS || !name)
		abort();
	free(bytes);
	return 0;
}
