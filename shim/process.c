/* SPDX-License-Identifier: Apache-2.0 */
/* The process entry, thread ids and time stamps. Everything here may run in the child of a fork of a
 * multi-threaded process: no lock, no allocation, nothing of libc that has a state. */
#include "process.h"

#include <pthread.h>
#include <stddef.h>
#include <time.h>

#include "raw.h"
#include "real.h"
#include "resolve.h"
#include "slot.h"
#include "state.h"

#define TID_MAX (1u << 22) /* PID_MAX_LIMIT of the kernel */
#define CONTROL_BLOCK_GLIBC 1024
#define CONTROL_BLOCK_MUSL 128
#define PROCESSES_LOOKED_AT 256 /* for a child that has ended: 1 us; older ones are left to the supervisor */
#define STACK_MAX (UINT64_C(1) << 30) /* a control block further up is not at the end of this stack */

extern char **__environ __attribute__((weak));

union shim_own shim_own;
struct shim_segment shim_segment = {.exit_key = -1, .tid_offset = -1};

static int (*clock_of_vdso)(clockid_t, struct timespec *); /* immutable after process_learn */

static struct segment_process *claim_entry(uint32_t pid)
{
	struct segment_header *header = shim_segment.header;
	uint32_t hint = __atomic_load_n(&header->process_hint, __ATOMIC_RELAXED);

	for (uint32_t i = 0; i <= shim_segment.process_mask; i++) {
		uint32_t index = (hint + i) & shim_segment.process_mask;
		struct segment_process *entry = &shim_segment.processes[index];
		uint64_t generation = __atomic_load_n(&entry->generation, __ATOMIC_RELAXED) + 1;
		uint64_t nobody = 0;

		if (__atomic_load_n(&entry->claim, __ATOMIC_RELAXED))
			continue;
		/* acquire: whoever freed it has finished with it */
		if (!__atomic_compare_exchange_n(&entry->claim, &nobody, generation << 32 | pid, false,
			    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			continue;
		entry->generation = generation;
		__atomic_store_n(&header->process_hint, index + 1, __ATOMIC_RELAXED);
		return entry;
	}
	return NULL;
}

bool process_register(uint32_t pid, uint32_t parent)
{
	uint32_t fresh = OWN_NEW;

	if (!__atomic_compare_exchange_n(
		    &shim_own.state, &fresh, OWN_REGISTERING, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return false;
	struct segment_process *entry = claim_entry(pid);

	if (!entry) {
		__atomic_add_fetch(&shim_segment.header->processes_refused, 1, __ATOMIC_RELAXED);
		__atomic_store_n(&shim_own.state, OWN_REFUSED, __ATOMIC_RELEASE);
		return false;
	}
	entry->parent = parent;
	entry->libc = shim_segment.libc;
	entry->flags = shim_segment.flags;
	entry->missing = shim_segment.missing;
	entry->queue_depth = 0;
	entry->refused = 0;
	shim_own.stamp = process_stamp();
	entry->witness = (uint64_t)&shim_own.stamp;
	/* last: with a stamp the entry is whole */
	__atomic_store_n(&entry->stamp, shim_own.stamp, __ATOMIC_RELEASE);
	shim_own.pid = pid;
	shim_own.index = (uint32_t)(entry - shim_segment.processes);
	__atomic_store_n(&shim_own.state, OWN_READY, __ATOMIC_RELEASE);
	return true;
}

/* Only a child's: a pid that is used again within this call would have to be another child of the same parent.
 */
void process_bury(uint32_t pid)
{
	uint32_t hint = __atomic_load_n(&shim_segment.header->process_hint, __ATOMIC_RELAXED);

	for (uint32_t i = 1; i <= PROCESSES_LOOKED_AT; i++) {
		struct segment_process *entry =
			&shim_segment.processes[(hint + HINT_LAG - i) & shim_segment.process_mask];
		uint64_t claim = __atomic_load_n(&entry->claim, __ATOMIC_ACQUIRE);

		if ((uint32_t)claim != pid || entry->parent != shim_own.pid)
			continue;
		if (!__atomic_compare_exchange_n(
			    &entry->claim, &claim, SEGMENT_TAKEN, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			continue; /* the supervisor was quicker */
		slot_bury(pid);
		__atomic_store_n(
			&entry->stamp, 0, __ATOMIC_RELAXED); /* of nobody until the next owner writes its own */
		__atomic_store_n(&entry->claim, 0, __ATOMIC_RELEASE); /* partner: the next claim */
		return;
	}
}

/* Its bytes, as libc's thread control block; NULL where pthread_self is not there. */
static const char *control_block(void)
{
	pthread_t (*self)(void) = (pthread_t(*)(void))real_functions[REAL_pthread_self];

	return self ? (const char *)self() : NULL;
}

static uint32_t tid_at(const char *block, int offset)
{
	return *(const volatile uint32_t *)(block + offset);
}

/* All known layouts align it to 8; the upper half of a pointer, which can look like a tid, is not. */
static int find_tid(uint32_t tid)
{
	const char *block = control_block();
	int end = shim_segment.libc == LIBC_GLIBC ? CONTROL_BLOCK_GLIBC : CONTROL_BLOCK_MUSL;

	for (int offset = 0; block && offset < end; offset += 8) {
		if (tid_at(block, offset) == tid)
			return offset;
	}
	return -1;
}

void process_learn(uintptr_t vdso)
{
	clock_of_vdso = (int (*)(clockid_t, struct timespec *))resolve_in_image(vdso, "__vdso_clock_gettime");
	if (!clock_of_vdso)
		clock_of_vdso =
			(int (*)(clockid_t, struct timespec *))resolve_in_image(vdso, "__kernel_clock_gettime");
	shim_segment.tid_offset = find_tid((uint32_t)RAW0(gettid));
	if (shim_segment.tid_offset < 0)
		shim_segment.flags |= PROCESS_TID_BY_SYSCALL;
}

uint32_t process_tid(bool stale)
{
	if (!stale && shim_segment.tid_offset >= 0) {
		uint32_t tid = tid_at(control_block(), shim_segment.tid_offset);

		if (tid && tid <= TID_MAX)
			return tid;
	}
	return (uint32_t)RAW0(gettid);
}

uint32_t process_pid(void)
{
	return (uint32_t)RAW0(getpid);
}

static bool is_above(uint64_t address, uint64_t frame)
{
	return address > frame && address - frame < STACK_MAX;
}

/* Both libcs put the control block of a thread at the end of its stack, the kernel puts there the main
 * thread's environment. */
uint64_t process_stack_top(uint64_t frame)
{
	uint64_t block = (uint64_t)control_block();
	uint64_t environment = &__environ ? (uint64_t)__environ : 0;

	if (is_above(block, frame))
		return block;
	return is_above(environment, frame) ? environment : frame;
}

/* The vDSO's own clock: libc's may have been replaced by one that lies to the service on purpose. */
uint64_t process_stamp(void)
{
	struct timespec now = {0, 0};

	if (!clock_of_vdso || clock_of_vdso(CLOCK_MONOTONIC, &now) != 0)
		RAW2(clock_gettime, CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec +
	       (uint64_t)shim_segment.header->boot_minus_mono;
}
