/* SPDX-License-Identifier: Apache-2.0 */
/* Any packet where a mysql should be: read within its bytes, texts that end, fields that move on. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "probe/kind_mysql_packet.c" /* a module's, in none of the rooms */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_fields(struct mysql_bytes row)
{
	char text[16];
	size_t left;

	do {
		left = row.left;
		if (!mysql_packet_field(&row, text, sizeof text))
			return;
		if (row.left >= left || strnlen(text, sizeof text) == sizeof text)
			abort();
	} while (row.left);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *bytes = malloc(size + !size); /* of exact size: whoever reads behind it is caught */
	struct mysql_bytes packet = {bytes, size};
	struct mysql_greeting greeting;
	struct mysql_error error = {0};

	if (size)
		memcpy(bytes, data, size);
	if (mysql_packet_greeting(packet, &greeting) &&
		strnlen(greeting.plugin, sizeof greeting.plugin) == sizeof greeting.plugin)
		abort();
	if (mysql_packet_switch(packet, &greeting) &&
		strnlen(greeting.plugin, sizeof greeting.plugin) == sizeof greeting.plugin)
		abort();
	if (mysql_packet_error(packet, &error) &&
		(error.error == PROBE_OK || error.error >= PROBE_ERRORS ||
			strnlen(error.text, sizeof error.text) == sizeof error.text))
		abort();
	if (size)
		check_fields(packet);
	if (mysql_packet_is_end(packet) && (size == 0 || bytes[0] != 0xfe))
		abort();
	free(bytes);
	return 0;
}
