/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wrapped for the traces' sake, not because they block: the start of threads, the jumps over calls, names;
 * and pthread_once, which runs its caller's code in the middle of the call.
 * Failure: what cannot be noted happens without a note.
 */
#include <pthread.h>
#include <setjmp.h>

#include "wrap.h"

/* Taken cells are free again as soon as their thread runs. */
static struct shim_cell *take_cell(void)
{
	static uint32_t hint; /* atomic: any value is fine */
	uint32_t at = __atomic_fetch_add(&hint, 1, __ATOMIC_RELAXED);

	for (uint32_t i = 0; i < SHIM_CELLS; i++) {
		struct shim_cell *cell = &shim_own.cells[(at + i) % SHIM_CELLS];
		uint32_t free = CELL_FREE;

		/* acquire: the thread that freed it has read it */
		if (__atomic_compare_exchange_n(
			    &cell->state, &free, CELL_USED, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return cell;
	}
	return NULL;
}

static void free_cell(struct shim_cell *cell)
{
	__atomic_store_n(&cell->state, CELL_FREE, __ATOMIC_RELEASE);
}

static void *run_thread(void *cell_)
{
	struct shim_cell *cell = cell_;
	void *(*begin)(void *) = cell->start;
	void *argument = cell->argument;

	free_cell(cell);
	slot_claim((uint64_t)begin);
	return begin(argument);
}

EXPORT int pthread_create(
	pthread_t *thread, const pthread_attr_t *attributes, void *(*begin)(void *), void *argument)
{
	__typeof__(&pthread_create) real = REAL_OR_FIND(pthread_create);

	if (!real)
		return EAGAIN;
	struct shim_cell *cell = slot_mine() ? take_cell() : NULL;

	if (!cell)
		return real(thread, attributes, begin, argument);
	cell->start = begin;
	cell->argument = argument;
	int result = real(thread, attributes, run_thread, cell);

	if (result)
		free_cell(cell);
	return result;
}

EXPORT int pthread_setname_np(pthread_t thread, const char *name)
{
	__typeof__(&pthread_setname_np) real = REAL_OR_FIND(pthread_setname_np);
	pthread_t (*self)(void) = (pthread_t(*)(void))real_functions[REAL_pthread_self];

	if (!real)
		return ENOSYS;
	int result = real(thread, name);
	struct segment_slot *slot = result == 0 && self && self() == thread ? slot_mine() : NULL;

	for (int i = 0; slot && i < SEGMENT_NAME_BYTES - 1; i++) {
		slot->name[i] = name[i];
		if (!name[i])
			break;
	}
	return result;
}

/* None returns. Every name is there in every libc that a program which calls it was linked to. */
#define WRAP_JUMP(symbol)                                                                                      \
	void symbol(jmp_buf where, int value) __attribute__((noreturn));                                       \
	EXPORT void symbol(jmp_buf where, int value)                                                           \
	{                                                                                                      \
		__typeof__(&symbol) real = REAL_OR_FIND(symbol);                                               \
                                                                                                               \
		slot_unwind();                                                                                 \
		if (real)                                                                                      \
			real(where, value);                                                                    \
		__builtin_trap();                                                                              \
	}
WRAP_JUMP(longjmp)
WRAP_JUMP(_longjmp)
WRAP_JUMP(siglongjmp)
WRAP_JUMP(__longjmp_chk)

EXPORT int pthread_once(pthread_once_t *once, void (*routine)(void))
{
	SEES_UNWINDING;
	__typeof__(&pthread_once) real = REAL_OR_FIND(pthread_once);

	if (!real)
		return ENOSYS;
	uintptr_t ticket = slot_enter(CALL_pthread_once, WORD(once), 0, CALLER, FRAME);
	int result = real(once, routine);

	slot_leave(ticket);
	return result;
}

/* What the unwinder calls for the frames of wrappers: in its second phase the call is over. */
int shim_unwinding(int version, int actions, uint64_t class, void *exception, void *context);
int shim_unwinding(int version, int actions, uint64_t class, void *exception, void *context)
{
	enum { CLEANUP_PHASE = 2, CONTINUE_UNWIND = 8 }; /* of the Itanium C++ ABI */

	(void)version;
	(void)class;
	(void)exception;
	(void)context; /* there is nothing to look up: this thread's call is over */
	if (actions & CLEANUP_PHASE)
		slot_unwind();
	return CONTINUE_UNWIND;
}
