/* SPDX-License-Identifier: Apache-2.0 */
#include "supervise/failure.h"

#include <stdarg.h>
#include <stdio.h>

int failure_set(struct failure *failure, int status, const char *format, ...)
{
	va_list arguments;

	failure->status = status;
	va_start(arguments, format);
	(void)vsnprintf(failure->text, sizeof(failure->text), format, arguments); /* cut when too long */
	va_end(arguments);
	return status;
}
