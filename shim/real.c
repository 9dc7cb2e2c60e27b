/* SPDX-License-Identifier: Apache-2.0 */
/* The names behind enum real_index, in its order. */
#include "real.h"

#include <stddef.h>

#include "resolve.h"

#define NAME_OF_CALL(number, symbol, ...) #symbol,
#define NAME_OF_NAME(symbol, ...) #symbol,
/* clang-format off */
static const char *const names[REAL_COUNT] = {
	LS_CALLS(NAME_OF_CALL)
	LS_CALLS_BY_HAND(NAME_OF_CALL)
	LS_TWINS(NAME_OF_NAME)
	LS_TWINS_BY_HAND(NAME_OF_NAME)
	LS_CONTROLS(NAME_OF_NAME)
	LS_HELPERS(NAME_OF_NAME)
};
/* clang-format on */

void *real_functions[REAL_COUNT];

unsigned int real_find_all(void)
{
	unsigned int missing = 0;

	resolve_names(names, real_functions, REAL_COUNT);
	for (size_t i = 0; i < REAL_WRAPPED; i++)
		missing += !real_functions[i];
	return missing;
}

void *real_find(enum real_index index)
{
	if (!real_functions[index])
		resolve_names(&names[index], &real_functions[index], 1);
	return real_functions[index];
}
