/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dlopen, only to note RTLD_DEEPBIND: what such a library calls is bound past the wrappers and not seen. The
 * real one finds its caller's search path by the return address, so it is reached by a jump, as by syscall().
 */
#include <stddef.h>

#include "slot.h"
#include "wrap.h"

#define DEEPBIND 0x8 /* of glibc on every architecture; musl has none and ignores it */

void *shim_dlopen_note(int mode) __attribute__((visibility("hidden")));

static void *absent(void)
{
	return NULL; /* a program without libdl has asked for it all the same */
}

static void note(void)
{
	struct segment_slot *slot = slot_mine(); /* with a slot the process has an entry */

	/* of the children, too: they inherit the library */
	__atomic_or_fetch(&shim_segment.flags, PROCESS_DEEPBIND, __ATOMIC_RELAXED);
	if (slot)
		__atomic_or_fetch(
			&shim_segment.processes[shim_own.index].flags, PROCESS_DEEPBIND, __ATOMIC_RELAXED);
}

/* Where to go on. */
void *shim_dlopen_note(int mode)
{
	void *real = real_find(REAL_dlopen);

	if (shim_segment.libc == LIBC_GLIBC && (mode & DEEPBIND))
		note();
	return real ? real : (void *)absent;
}

/* clang-format off */
#if defined(__x86_64__)
__asm__(".text\n.p2align 4\n.globl dlopen\n.type dlopen, @function\n"
	"dlopen:\n.cfi_startproc\n"
	"push %rdi\n push %rsi\n sub $8, %rsp\n"
	".cfi_adjust_cfa_offset 24\n"
	"mov %esi, %edi\n call shim_dlopen_note\n"
	"add $8, %rsp\n pop %rsi\n pop %rdi\n"
	".cfi_adjust_cfa_offset -24\n"
	"jmp *%rax\n"
	".cfi_endproc\n.size dlopen, . - dlopen\n");
#elif defined(__aarch64__)
__asm__(".text\n.p2align 4\n.globl dlopen\n.type dlopen, %function\n"
	"dlopen:\n.cfi_startproc\n"
	"stp x0, x1, [sp, #-32]!\n str x30, [sp, #16]\n"
	".cfi_adjust_cfa_offset 32\n.cfi_rel_offset x30, 16\n"
	"mov w0, w1\n bl shim_dlopen_note\n mov x16, x0\n"
	"ldr x30, [sp, #16]\n ldp x0, x1, [sp], #32\n"
	".cfi_adjust_cfa_offset -32\n.cfi_restore x30\n"
	"br x16\n"
	".cfi_endproc\n.size dlopen, . - dlopen\n");
#endif
/* clang-format on */
