/* SPDX-License-Identifier: Apache-2.0 */
/* What a user may write as `send` and `expect`, two lines, and whatever answers to it. */
#include "fuzz/link.h"

#include "probe/kind_tcp.c" /* a module's, in none of the rooms */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Cuts a line off that ends with 0 in `out`. */
static void take_line(const uint8_t **data, size_t *size, char out[DEPENDENCY_TEXT])
{
	const uint8_t *end = *size ? memchr(*data, '\n', *size) : NULL;
	size_t length = end ? (size_t)(end - *data) : *size, used = length < DEPENDENCY_TEXT ? length : DEPENDENCY_TEXT - 1;

	memcpy(out, *data, used);
	out[used] = '\0';
	*data += length + (end != NULL);
	*size -= length + (end != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dependency of;

	if (!size)
		return 0;
	memset(&of, 0, sizeof of);
	take_line(&data, &size, of.send);
	take_line(&data, &size, of.expect);
	ask_peer(&of, data, size, 1 + size / 3);
	return 0;
}
