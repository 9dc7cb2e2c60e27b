/* SPDX-License-Identifier: Apache-2.0 */
/*
 * syscall(2), by which Rust, C++20 and io_uring wait. Only the numbers that wait are entered. Every other
 * one goes on by a jump that leaves stack and registers as they were: vfork and clone through syscall()
 * return twice, the second time on a stack that this function must not have touched.
 */
#include <linux/futex.h>
#include <unistd.h>

#include "wrap.h"

#include <sys/syscall.h>

#ifndef FUTEX_LOCK_PI2
#define FUTEX_LOCK_PI2 13
#endif
#define SYS_FUTEX_WAITV 449 /* of every architecture; older headers have none of the three */
#define SYS_IO_URING_ENTER 426
#define SYS_EPOLL_PWAIT2 441

long shim_syscall_wait(long number, long a, long b, long c, long d, long e, long f)
	__attribute__((visibility("hidden")));
void *shim_syscall_find(void) __attribute__((visibility("hidden")));
extern void *shim_syscall_real __attribute__((visibility("hidden")));

void *shim_syscall_real; /* NULL until the first call; always the same value */

static bool futex_waits(long operation)
{
	switch (operation & FUTEX_CMD_MASK) {
	case FUTEX_WAIT:
	case FUTEX_WAIT_BITSET:
	case FUTEX_WAIT_REQUEUE_PI:
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2: return true;
	default: return false;
	}
}

static bool is_timed(long number, long d)
{
	if (number == SYS_IO_URING_ENTER)
		return false;
	if (number == SYS_futex || number == SYS_FUTEX_WAITV || number == SYS_EPOLL_PWAIT2)
		return d != 0;
	return (int)d >= 0; /* epoll: milliseconds */
}

long shim_syscall_wait(long number, long a, long b, long c, long d, long e, long f)
{
	SEES_UNWINDING;
	long (*real)(long, ...) = REAL_OR_FIND(syscall);

	if (!real)
		return missing_result(false, false, false);
	if (number == SYS_futex && !futex_waits(b))
		return real(number, a, b, c, d, e, f);
	uintptr_t ticket =
		slot_enter(CALL_WORD(CALL_syscall, is_timed(number, d)), WORD(a), WORD(number), CALLER, FRAME);
	long result = real(number, a, b, c, d, e, f);

	slot_leave(ticket);
	return result;
}

static long absent(void)
{
	return missing_result(false, false, false);
}

void *shim_syscall_find(void)
{
	void *real = real_find(REAL_syscall);

	shim_syscall_real = real ? real : (void *)absent;
	return shim_syscall_real;
}

#define TEXT_OF(number) TEXT(number)
#define TEXT(number) #number

/* clang-format off */
#if defined(__x86_64__)
#define WAITS(number) "cmp $" TEXT_OF(number) ", %rdi\n je shim_syscall_wait\n"
__asm__(".text\n.p2align 4\n.globl syscall\n.type syscall, @function\n"
	"syscall:\n.cfi_startproc\n"
	WAITS(SYS_futex) WAITS(SYS_epoll_wait) WAITS(SYS_epoll_pwait)
	WAITS(SYS_FUTEX_WAITV) WAITS(SYS_IO_URING_ENTER) WAITS(SYS_EPOLL_PWAIT2)
	"mov shim_syscall_real(%rip), %rax\n"
	"test %rax, %rax\n je 1f\n jmp *%rax\n"
	"1: push %rdi\n push %rsi\n push %rdx\n push %rcx\n push %r8\n push %r9\n sub $8, %rsp\n"
	".cfi_adjust_cfa_offset 56\n"
	"call shim_syscall_find\n"
	"add $8, %rsp\n pop %r9\n pop %r8\n pop %rcx\n pop %rdx\n pop %rsi\n pop %rdi\n"
	".cfi_adjust_cfa_offset -56\n"
	"jmp *%rax\n"
	".cfi_endproc\n.size syscall, . - syscall\n");
#elif defined(__aarch64__)
#define WAITS(number) "cmp x0, #" TEXT_OF(number) "\n b.eq shim_syscall_wait\n"
__asm__(".text\n.p2align 4\n.globl syscall\n.type syscall, %function\n"
	"syscall:\n.cfi_startproc\n"
	WAITS(SYS_futex) WAITS(SYS_epoll_pwait)
	WAITS(SYS_FUTEX_WAITV) WAITS(SYS_IO_URING_ENTER) WAITS(SYS_EPOLL_PWAIT2)
	"adrp x16, shim_syscall_real\n ldr x16, [x16, #:lo12:shim_syscall_real]\n"
	"cbz x16, 1f\n br x16\n"
	"1: stp x0, x1, [sp, #-64]!\n stp x2, x3, [sp, #16]\n stp x4, x5, [sp, #32]\n stp x6, x30, [sp, #48]\n"
	".cfi_adjust_cfa_offset 64\n.cfi_rel_offset x30, 56\n"
	"bl shim_syscall_find\n mov x16, x0\n"
	"ldp x2, x3, [sp, #16]\n ldp x4, x5, [sp, #32]\n ldp x6, x30, [sp, #48]\n ldp x0, x1, [sp], #64\n"
	".cfi_adjust_cfa_offset -64\n.cfi_restore x30\n"
	"br x16\n"
	".cfi_endproc\n.size syscall, . - syscall\n");
#endif
/* clang-format on */
