/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/kind_exec_output.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void exec_read_text(const char *output, char *text, size_t bytes)
{
	size_t begin = strspn(output, " \t\r\n");
	size_t length = strcspn(output + begin, "|\r\n");

	while (length > 0 && strchr(" \t", output[begin + length - 1]))
		length--;
	snprintf(text, bytes, "%.*s", (int)length, output + begin);
}

bool exec_read_number(const char *output, double *number)
{
	const char *at = output + strspn(output, " \t\r\n");
	const char *line_end = at + strcspn(at, "\n");
	char *end;
	double found;

	at = memchr(at, '|', (size_t)(line_end - at));
	at = at ? memchr(at, '=', (size_t)(line_end - at)) : NULL;
	if (!at || at + 1 == line_end || strchr(" \t\n", at[1]))
		return false;
	found = strtod(at + 1, &end);
	if (end == at + 1 || !isfinite(found))
		return false;
	*number = found;
	return true;
}
