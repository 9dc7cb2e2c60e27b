/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions that a program linked before glibc 2.3.2 binds to by their old versions: they take another kind
 * of condition than the new ones of the same name. Only x86-64 is that old; see versions.map.
 */
#include <pthread.h>

#include "resolve.h"
#include "wrap.h"

#if defined(__x86_64__)
/* Kept: the same value, whoever finds it. */
#define OLD(symbol)                                                                                            \
	static __typeof__(&symbol) old_##symbol(void)                                                          \
	{                                                                                                      \
		static void *found;                                                                            \
		void *old = __atomic_load_n(&found, __ATOMIC_RELAXED);                                         \
                                                                                                               \
		if (!old) {                                                                                    \
			old = resolve_old(#symbol);                                                            \
			__atomic_store_n(&found, old, __ATOMIC_RELAXED);                                       \
		}                                                                                              \
		return (__typeof__(&symbol))old;                                                               \
	}
OLD(pthread_cond_wait)
OLD(pthread_cond_timedwait)

#define WRAP_OLD(symbol, params, args, timed)                                                                  \
	__asm__(".symver shim_old_" #symbol ", " #symbol "@GLIBC_2.2.5");                                      \
	int shim_old_##symbol params;                                                                          \
	EXPORT __attribute__((used)) int shim_old_##symbol params                                              \
	{                                                                                                      \
		SEES_UNWINDING;                                                                                \
		__typeof__(&symbol) real = old_##symbol();                                                     \
                                                                                                               \
		if (!real)                                                                                     \
			return ENOSYS;                                                                         \
		uintptr_t ticket =                                                                             \
			slot_enter(CALL_WORD(CALL_##symbol, timed), WORD(cond), WORD(mutex), CALLER, FRAME);   \
		int result = real args;                                                                        \
                                                                                                               \
		slot_leave(ticket);                                                                            \
		return result;                                                                                 \
	}
WRAP_OLD(pthread_cond_wait, (pthread_cond_t * cond, pthread_mutex_t *mutex), (cond, mutex), false)
WRAP_OLD(pthread_cond_timedwait, (pthread_cond_t * cond, pthread_mutex_t *mutex, const struct timespec *end),
	(cond, mutex, end), true)
#endif
