/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions behind the wrappers: one pointer for each name of the call table and for the few helpers
 * that the shim needs itself.
 * Threads: written by the constructor, and by anybody who meets a NULL (always the same value).
 */
#ifndef LS_SHIM_REAL_H
#define LS_SHIM_REAL_H

#include <lifesign/calls.h>

/* Names that the shim calls but does not wrap. */
#define LS_HELPERS(X)                                                                                          \
	X(pthread_self)                                                                                        \
	X(pthread_key_create)                                                                                  \
	X(pthread_setspecific)                                                                                 \
	X(__register_atfork)                                                                                   \
	X(pthread_atfork)                                                                                      \
	X(gnu_get_libc_version)                                                                                \
	X(clock_gettime)                                                                                       \
	X(vfscanf)                                                                                             \
	X(__isoc99_vfscanf)                                                                                    \
	X(__isoc23_vfscanf)

#define REAL_OF_CALL(number, symbol, ...) REAL_##symbol,
#define REAL_OF_NAME(symbol, ...) REAL_##symbol,
/* clang-format off */
enum real_index {
	LS_CALLS(REAL_OF_CALL)
	LS_CALLS_BY_HAND(REAL_OF_CALL)
	LS_TWINS(REAL_OF_NAME)
	LS_TWINS_BY_HAND(REAL_OF_NAME)
	LS_CONTROLS(REAL_OF_NAME)
	REAL_WRAPPED, /* the names before are wrapped, those behind are helpers */
	REAL_BEFORE_HELPERS = REAL_WRAPPED - 1,
	LS_HELPERS(REAL_OF_NAME)
	REAL_COUNT
};
/* clang-format on */
#undef REAL_OF_CALL
#undef REAL_OF_NAME

extern void *real_functions[REAL_COUNT] __attribute__((visibility("hidden")));

/* Resolves every name; the number of wrapped names that this libc does not have. */
unsigned int real_find_all(void);
/* For a wrapper that runs before the constructor, or whose library was loaded later. NULL: not there. */
void *real_find(enum real_index index);

#endif
