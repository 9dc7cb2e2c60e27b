/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for children. Who has waited for a child's end knows before everybody else that what the child
 * left in the segment is free: in a storm of forks the supervisor's scan comes too late.
 */
#include <sys/resource.h>
#include <sys/wait.h>

#include "process.h"
#include "wrap.h"

static void note_end(pid_t child, int status)
{
	if (child <= 0 || !(WIFEXITED(status) || WIFSIGNALED(status)))
		return;
	/* where the supervisor sees other pids, the child's number here is not the one in its claim */
	if (!shim_segment.header || shim_segment.foreign_pids ||
		__atomic_load_n(&shim_own.state, __ATOMIC_ACQUIRE) != OWN_READY)
		return;
	process_bury((uint32_t)child);
}

/* The kernel is always asked for the status: a child that only stopped is not buried. */
#define WRAP_WAIT(symbol, params, args, object, how)                                                           \
	EXPORT pid_t symbol params                                                                             \
	{                                                                                                      \
		SEES_UNWINDING;                                                                                \
		__typeof__(&symbol) real = REAL_OR_FIND(symbol);                                               \
		int own;                                                                                       \
                                                                                                               \
		if (!real)                                                                                     \
			return MISSING(pid_t, symbol, CLASS_CHILD);                                            \
		if (!status)                                                                                   \
			status = &own;                                                                         \
		uintptr_t ticket = slot_enter(CALL_WORD(CALL_##symbol, ((how)&WNOHANG) != 0), WORD(object),    \
			WORD(how), CALLER, FRAME);                                                             \
		pid_t child = real args;                                                                       \
                                                                                                               \
		slot_leave(ticket);                                                                            \
		if (child > 0)                                                                                 \
			note_end(child, *status);                                                              \
		return child;                                                                                  \
	}
WRAP_WAIT(waitpid, (pid_t pid, int *status, int how), (pid, status, how), pid, how)
WRAP_WAIT(wait, (int *status), (status), -1, 0)
WRAP_WAIT(wait3, (int *status, int how, struct rusage *usage), (status, how, usage), -1, how)
WRAP_WAIT(wait4, (pid_t pid, int *status, int how, struct rusage *usage), (pid, status, how, usage), pid, how)
