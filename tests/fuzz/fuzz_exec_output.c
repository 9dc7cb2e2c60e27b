/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever a check prints: a text of one line, and a finite number or none. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "probe/kind_exec_output.c" /* a module's, in none of the rooms */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *output = malloc(size + 1), text[64];
	double number = 0;

	memcpy(output, data, size);
	output[size] = '\0';
	exec_read_text(output, text, sizeof text);
	if (strpbrk(text, "\r\n|") || strlen(text) >= sizeof text)
		abort();
	if (exec_read_number(output, &number) && !isfinite(number))
		abort();
	free(output);
	return 0;
}
