/* SPDX-License-Identifier: Apache-2.0 */
/* Stream functions that fit no row of the table: without a result, or with a format. */
#include <stdarg.h>
#include <stdio.h>

#include "wrap.h"

EXPORT void flockfile(FILE *stream)
{
	SEES_UNWINDING;
	__typeof__(&flockfile) real = REAL_OR_FIND(flockfile);

	if (!real)
		return;
	uintptr_t ticket = slot_enter(CALL_flockfile, WORD(stream), 0, CALLER, FRAME);

	real(stream);
	slot_leave(ticket);
}

/* Each name has its own rules for a format, kept by the function that takes a list. Headers give these
 * functions each other's names, so here they have their own. */
#define WRAP_FSCANF(symbol, with_list)                                                                         \
	int wrap_##symbol(FILE *stream, const char *format, ...) __asm__(#symbol);                             \
	EXPORT int wrap_##symbol(FILE *stream, const char *format, ...)                                        \
	{                                                                                                      \
		SEES_UNWINDING;                                                                                \
		__typeof__(&vfscanf) real = (__typeof__(&vfscanf))real_find(REAL_##with_list);                 \
		va_list list;                                                                                  \
                                                                                                               \
		if (!real)                                                                                     \
			return MISSING(int, symbol, CLASS_FD);                                                 \
		uintptr_t ticket = slot_enter(CALL_fscanf, WORD(stream), 0, CALLER, FRAME);                    \
                                                                                                               \
		va_start(list, format);                                                                        \
		int count = real(stream, format, list);                                                        \
                                                                                                               \
		va_end(list);                                                                                  \
		slot_leave(ticket);                                                                            \
		return count;                                                                                  \
	}
WRAP_FSCANF(fscanf, vfscanf)
WRAP_FSCANF(__isoc99_fscanf, __isoc99_vfscanf)
WRAP_FSCANF(__isoc23_fscanf, __isoc23_vfscanf)
