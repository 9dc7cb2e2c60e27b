/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The constructor: finds the real functions, and joins the segment that the environment names. Whatever is
 * odd ends in the same state as no segment at all: wrappers that only call.
 * Threads: the main one. Failure: absent, silently. Memory: one mapping, never given back.
 */
#include <pthread.h>
#include <stddef.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "join.h"
#include "process.h"
#include "raw.h"
#include "real.h"
#include "slot.h"
#include "state.h"

#define KEYS_INLINE 32 /* beyond these pthread_setspecific allocates */

extern char **__environ __attribute__((weak));
extern unsigned long getauxval(unsigned long) __attribute__((weak));

static const char *variable(const char *name)
{
	char **environment = &__environ ? __environ : NULL;

	for (; environment && *environment; environment++) {
		size_t i = 0;

		while (name[i] && (*environment)[i] == name[i])
			i++;
		if (!name[i] && (*environment)[i] == '=')
			return &(*environment)[i + 1];
	}
	return NULL;
}

static unsigned long auxiliary(unsigned long type)
{
	return getauxval ? getauxval(type) : 0;
}

/* Child of fork(). Every other new process is found by its wiped page alone. */
static void in_child(void)
{
	if (!shim_segment.header)
		return;
	if (!shim_segment.wipes) {
		for (size_t i = 0; i < SHIM_CELLS; i++)
			shim_own.cells[i].state = CELL_FREE;
		shim_own.state = OWN_NEW;
	}
	slot_after_fork();
}

static void watch_forks(void)
{
	int (*register_atfork)(void (*)(void), void (*)(void), void (*)(void), void *) = (int (*)(
		void (*)(void), void (*)(void), void (*)(void), void *))real_functions[REAL___register_atfork];
	int (*atfork)(void (*)(void), void (*)(void), void (*)(void)) =
		(int (*)(void (*)(void), void (*)(void), void (*)(void)))real_functions[REAL_pthread_atfork];

	shim_segment.wipes = RAW3(madvise, &shim_own, sizeof(shim_own), MADV_WIPEONFORK) == 0;
	if (register_atfork)
		register_atfork(NULL, NULL, in_child, NULL);
	else if (atfork)
		atfork(NULL, NULL, in_child);
}

static void watch_exits(void)
{
	int (*create)(pthread_key_t *, void (*)(void *)) =
		(int (*)(pthread_key_t *, void (*)(void *)))real_functions[REAL_pthread_key_create];
	pthread_key_t key;

	if (create && create(&key, slot_exit) == 0 && key < KEYS_INLINE)
		shim_segment.exit_key = (int)key;
	else
		shim_segment.flags |= PROCESS_NO_EXIT_KEY;
}

/* A segment that is named decides alone: an agent of many services is for those whom nobody started. */
static bool join(struct shim_segment *found, uint32_t *pid)
{
	const char *disabled = variable("LIFESIGN_DISABLE");
	const char *name = variable("LIFESIGN_SEGMENT");
	const char *directory = variable("LIFESIGN_DIR");

	if ((disabled && disabled[0] == '1' && !disabled[1]) || auxiliary(AT_SECURE))
		return false;
	if (name)
		return join_segment(name, found, pid);
	return directory && join_directory(directory, variable("LIFESIGN_SERVICE"),
				    (const char *)auxiliary(AT_EXECFN), found, pid);
}

__attribute__((constructor)) static void start(void)
{
	unsigned int missing = real_find_all();
	struct shim_segment found = {0};
	uint32_t pid;

	if (!join(&found, &pid))
		return;
	shim_segment.libc = real_functions[REAL_gnu_get_libc_version] ? LIBC_GLIBC : LIBC_MUSL;
	shim_segment.missing = missing;
	if (missing)
		shim_segment.flags |= PROCESS_SYMBOLS_MISSING;
	shim_segment.processes = found.processes;
	shim_segment.slots = found.slots;
	shim_segment.process_mask = found.process_mask;
	shim_segment.slot_mask = found.slot_mask;
	shim_segment.foreign_pids = pid != process_pid();
	process_learn(auxiliary(AT_SYSINFO_EHDR));
	watch_exits();
	watch_forks();
	/* release: from here on other threads, which a constructor before this one may have made, take part */
	__atomic_store_n(&shim_segment.header, found.header, __ATOMIC_RELEASE);
	if (process_register(pid, (uint32_t)RAW0(getppid)))
		slot_claim(0);
}
