/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the shim knows, all of it in this process's private memory: the segment is written by every process
 * of the service, so nothing read from it is used to find a way in it.
 */
#ifndef LS_SHIM_STATE_H
#define LS_SHIM_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include <lifesign/segment.h>

#if defined(__aarch64__)
#define SHIM_PAGE 65536 /* the largest page of the architecture */
#else
#define SHIM_PAGE 4096
#endif

/* Immutable after the constructor; children inherit it with the mapping. */
struct shim_segment {
	struct segment_header *header; /* NULL: absent, every wrapper is a bare call */
	struct segment_process *processes;
	struct segment_slot *slots;
	uint32_t process_mask, slot_mask;
	uint32_t libc;     /* enum segment_libc */
	uint32_t missing;  /* wrapped names that this libc does not have */
	uint32_t flags;    /* PROCESS_* that hold for each process of this program; atomic: DEEPBIND comes later */
	int exit_key;      /* pthread key whose destructor frees a slot, -1: none */
	int tid_offset;    /* of the tid in a thread's own control block, -1: ask the kernel */
	bool foreign_pids; /* the supervisor sees other pids: children cannot name themselves */
	bool wipes;        /* the kernel clears shim_own in every new process */
};
extern struct shim_segment shim_segment __attribute__((visibility("hidden")));

enum own_state { OWN_NEW = 0, OWN_REGISTERING, OWN_READY, OWN_REFUSED };
enum cell_state { CELL_FREE = 0, CELL_USED };

#define SHIM_CELLS 128 /* threads that were asked for and do not run yet; more of them start unwrapped */

/* On its way from pthread_create to the thread that it makes. */
struct shim_cell {
	uint32_t state; /* atomic: taken by the creator, freed by the thread */
	void *(*start)(void *);
	void *argument;
};

/*
 * This process. The page is all zero in every new process, however it was made (MADV_WIPEONFORK): that is
 * how fork, _Fork and raw clone heal without being wrapped. vfork children share memory, see these words
 * and write into their suspended parent's slot, which the parent's next call overwrites.
 */
union shim_own {
	struct {
		uint32_t state; /* atomic: enum own_state */
		uint32_t pid;   /* as in `claim` words; these two: written before OWN_READY */
		uint32_t index; /* of the segment_process */
		uint64_t stamp; /* of the segment_process, whose `witness` points here */
		struct shim_cell cells[SHIM_CELLS];
	};
	char page[SHIM_PAGE];
};
_Static_assert(sizeof(union shim_own) == SHIM_PAGE, "the private page is one page");
extern union shim_own shim_own __attribute__((aligned(SHIM_PAGE), visibility("hidden")));

/* This thread's slot, or one of: */
#define SELF_NONE ((struct segment_slot *)0)    /* not looked for yet */
#define SELF_REFUSED ((struct segment_slot *)1) /* the table is full; asked again only after a fork */
#define SELF_GONE ((struct segment_slot *)2)    /* the thread ends */
#define SELF_LAST 2
/* A flag in it, set by fork() in the child: libc has set the copy of the tid in its control block anew. */
#define SELF_FORKED UINT64_C(4)
extern __thread struct segment_slot *shim_self __attribute__((tls_model("initial-exec"), visibility("hidden")));

#endif
