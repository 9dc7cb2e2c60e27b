/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes where a memcached should be: the same outcome however they are cut into pieces, texts that end. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "probe/kind_memcached_answer.c" /* a module's, in none of the rooms */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum memcached_outcome take_all(
	struct memcached_answer *answer, const char *bytes, size_t size, size_t piece)
{
	enum memcached_outcome outcome = MEMCACHED_MORE;

	*answer = (struct memcached_answer){.wanted = "curr_items"};
	for (size_t at = 0; at < size && outcome == MEMCACHED_MORE; at += piece)
		outcome = memcached_answer_take(answer, bytes + at, size - at < piece ? size - at : piece);
	return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct memcached_answer whole, pieces;
	char *bytes = malloc(size + !size); /* of exact size: whoever reads behind it is caught */
	enum memcached_outcome outcome;

	if (size)
		memcpy(bytes, data, size);
	outcome = take_all(&whole, bytes, size, size + 1);
	if (outcome != take_all(&pieces, bytes, size, 1 + (size ? bytes[0] & 7 : 0)))
		abort();
	if (whole.error != pieces.error || whole.has_value != pieces.has_value ||
		whole.length >= sizeof whole.line)
		abort();
	if (outcome == MEMCACHED_FAILED && (whole.error == PROBE_OK || whole.error >= PROBE_ERRORS))
		abort();
	if (outcome != MEMCACHED_MORE && strnlen(whole.line, sizeof whole.line) == sizeof whole.line)
		abort();
	free(bytes);
	return 0;
}
