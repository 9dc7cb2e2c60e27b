/* SPDX-License-Identifier: Apache-2.0 */
/* Functions with a variable last argument. Reading one that was not given is what libc does too: it is
 * then nobody's. */
#include <fcntl.h>
#include <stdarg.h>

#include "wrap.h"

#define LAST_ARGUMENT(last, type, out)                                                                         \
	do {                                                                                                   \
		va_list list;                                                                                  \
                                                                                                               \
		va_start(list, last);                                                                          \
		(out) = va_arg(list, type);                                                                    \
		va_end(list);                                                                                  \
	} while (0)

/* Each with a second name for 64-bit offsets. */
#define WRAP_OPEN(symbol)                                                                                      \
	EXPORT int symbol(const char *path, int flags, ...)                                                    \
	{                                                                                                      \
		SEES_UNWINDING;                                                                                \
		__typeof__(&symbol) real = REAL_OR_FIND(symbol);                                               \
		unsigned int mode;                                                                             \
                                                                                                               \
		LAST_ARGUMENT(flags, unsigned int, mode);                                                      \
		if (!real)                                                                                     \
			return MISSING(int, symbol, CLASS_FILE);                                               \
		uintptr_t ticket = slot_enter(CALL_open, WORD(path), WORD(flags), CALLER, FRAME);              \
		int fd = real(path, flags, mode);                                                              \
                                                                                                               \
		slot_leave(ticket);                                                                            \
		return fd;                                                                                     \
	}
WRAP_OPEN(open)
WRAP_OPEN(open64)

#define WRAP_OPENAT(symbol)                                                                                    \
	EXPORT int symbol(int at, const char *path, int flags, ...)                                            \
	{                                                                                                      \
		SEES_UNWINDING;                                                                                \
		__typeof__(&symbol) real = REAL_OR_FIND(symbol);                                               \
		unsigned int mode;                                                                             \
                                                                                                               \
		LAST_ARGUMENT(flags, unsigned int, mode);                                                      \
		if (!real)                                                                                     \
			return MISSING(int, symbol, CLASS_FILE);                                               \
		uintptr_t ticket = slot_enter(CALL_openat, WORD(path), WORD(flags), CALLER, FRAME);            \
		int fd = real(at, path, flags, mode);                                                          \
                                                                                                               \
		slot_leave(ticket);                                                                            \
		return fd;                                                                                     \
	}
WRAP_OPENAT(openat)
WRAP_OPENAT(openat64)

/* Only the commands that wait are entered. */
#define WRAP_FCNTL(symbol)                                                                                     \
	EXPORT int symbol(int fd, int command, ...)                                                            \
	{                                                                                                      \
		SEES_UNWINDING;                                                                                \
		__typeof__(&symbol) real = REAL_OR_FIND(symbol);                                               \
		void *argument;                                                                                \
                                                                                                               \
		LAST_ARGUMENT(command, void *, argument);                                                      \
		if (!real)                                                                                     \
			return MISSING(int, symbol, CLASS_FILE);                                               \
		if (command != F_SETLKW && command != F_OFD_SETLKW)                                            \
			return real(fd, command, argument);                                                    \
		uintptr_t ticket = slot_enter(CALL_fcntl, WORD(fd), WORD(command), CALLER, FRAME);             \
		int result = real(fd, command, argument);                                                      \
                                                                                                               \
		slot_leave(ticket);                                                                            \
		return result;                                                                                 \
	}
WRAP_FCNTL(fcntl)
WRAP_FCNTL(fcntl64)
