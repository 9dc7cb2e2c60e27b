/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a wrapper is made. The plain case is inline; everything else is a second copy of the wrapper, out of
 * the way and reached by a jump, so that the plain one saves no argument and keeps one register.
 * A wrapper touches no errno, is a cancellation point exactly where the real function is, and passes its
 * result on. Without a real function: ENOSYS, but never for a lock: a program without the library that has
 * it is single-threaded, and its C library says 0.
 */
#ifndef LS_SHIM_WRAP_H
#define LS_SHIM_WRAP_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "real.h"
#include "slot.h"

extern int *__errno_location(void) __attribute__((weak));

#define EXPORT __attribute__((visibility("default")))
#define REAL(symbol) ((__typeof__(&symbol))real_functions[REAL_##symbol])
#define REAL_OR_FIND(symbol) (REAL(symbol) ? REAL(symbol) : (__typeof__(&symbol))real_find(REAL_##symbol))

#define WORD(value) ((uint64_t)(value))
#define CALLER WORD(__builtin_return_address(0))
#define FRAME WORD(__builtin_dwarf_cfa()) /* the caller's stack at the call: the same for both copies */
#define CALL_WORD(number, timed) ((uint64_t)(number) | ((timed) ? CALL_TIMED : 0))

/* The unwinder asks shim_unwinding() when an exception or a cancellation passes this function (0x1b: a
 * relative address of four bytes). */
#define SEES_UNWINDING __asm__(".cfi_personality 0x1b, shim_unwinding")

static inline long missing_result(bool is_pthread, bool is_lock, bool is_pointer)
{
	if (is_pthread) /* returns its error */
		return is_lock ? 0 : ENOSYS;
	if (__errno_location)
		*__errno_location() = ENOSYS;
	return is_pointer ? 0 : -1;
}
#define IS_POINTER(type) (__builtin_classify_type((type)0) == 5) /* pointer_type_class */
#define IS_PTHREAD(name) ((name)[0] == 'p' && (name)[1] == 't' && (name)[2] == 'h')
#define MISSING(ret, symbol, class)                                                                            \
	((ret)missing_result(IS_PTHREAD(#symbol), (class) == CLASS_LOCK, IS_POINTER(ret)))

#define WRAPPER(symbol, number, class, ret, params, args, object, extra, timed)                                \
	__attribute__((noinline, cold)) static ret special_##symbol params                                     \
	{                                                                                                      \
		SEES_UNWINDING;                                                                                \
		__typeof__(&symbol) real = REAL_OR_FIND(symbol);                                               \
                                                                                                               \
		if (!real)                                                                                     \
			return MISSING(ret, symbol, class);                                                    \
		uintptr_t ticket =                                                                             \
			slot_enter(CALL_WORD(number, timed), WORD(object), WORD(extra), CALLER, FRAME);        \
		ret returned = real args;                                                                      \
                                                                                                               \
		slot_leave(ticket);                                                                            \
		return returned;                                                                               \
	}                                                                                                      \
	EXPORT ret symbol params                                                                               \
	{                                                                                                      \
		SEES_UNWINDING;                                                                                \
		struct segment_slot *slot = shim_self;                                                         \
		__typeof__(&symbol) real = REAL(symbol);                                                       \
                                                                                                               \
		if (!real || slot_is_special(slot))                                                            \
			return special_##symbol args;                                                          \
		slot_begin(slot, CALL_WORD(number, timed), WORD(object), WORD(extra), CALLER, FRAME);          \
		ret returned = real args;                                                                      \
                                                                                                               \
		slot_end(slot);                                                                                \
		return returned;                                                                               \
	}

#define NUMBER_OF_CALL(number, symbol, ...) CALL_##symbol = number,
/* clang-format off */
enum wrap_number {
	LS_CALLS(NUMBER_OF_CALL)
	LS_CALLS_BY_HAND(NUMBER_OF_CALL)
};
/* clang-format on */
#undef NUMBER_OF_CALL

#endif
