/* SPDX-License-Identifier: Apache-2.0 */
/* Any text that a postgres, a pooler or libpq may give for a reason: one error of the contract, and a text that
 * ends. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "probe/kind_postgres_text.c" /* a module's, in none of the rooms */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1); /* of exact size: whoever reads behind it is caught */
	struct postgres_text told;
	double number;

	if (size)
		memcpy(text, data, size);
	text[size] = 0;
	for (unsigned phase = 0; phase < PHASES; phase++) {
		postgres_text_read(text, (enum probe_phase)phase, &told);
		if (told.error == PROBE_OK || told.error >= PROBE_ERRORS)
			abort();
		if (strnlen(told.detail, sizeof told.detail) == sizeof told.detail)
			abort();
	}
	(void)postgres_text_number(text, &number); /* any */
	free(text);
	return 0;
}
