/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layout of a lifesign segment: the shared memory in which the shim of every process of one
 * service leaves the traces of its threads. Other tools may read it; this header is the contract.
 *
 *   0                 segment_header     4096 bytes, one per segment
 *   process_offset    segment_process    128 bytes each, process_count of them (a power of two)
 *   slot_offset       segment_slot       128 bytes each, slot_count of them (a power of two)
 *   segment_bytes     end; the memfd is sealed against shrinking and growing
 *
 * Writers. The supervisor makes the segment, writes the header (magic last) and frees what dead
 * processes left behind. A shim claims a process entry and one slot a thread, by compare-and-swap of
 * `claim` from 0, and from then on is the only writer of that entry or slot until it is free again. A shim
 * whose process has waited for a child's end frees what that child left, as the supervisor does: `claim`
 * becomes SEGMENT_TAKEN, then 0. Nobody else writes. Readers map it read-only.
 *
 * Guarantees (tests cite them by number):
 *  G1  `call` is an absolute word: 0, or the outermost wrapped call that the thread is inside.
 *      No kill, cancellation, longjmp or signal can leave it inverted.
 *  G2  `entries` grows by one for each outermost call entered and is never reset, not by a new owner
 *      of the slot either: the sum over all slots never falls. A thread's own count is entries - base.
 *  G3  A call made by a signal handler that interrupted a wrapped call touches `nested` only.
 *  G4  `call` is stored (release) after the words that describe it; a reader that finds the same
 *      `entries` and `call` before and after copying has a coherent description.
 *  G5  A slot or process entry belongs to whoever `claim` names (pid in the low half). It is stale when
 *      the kernel says that the thread or process started after `stamp`.
 *
 * Trust: everything here may be written by any process of the service. Readers bound every index and
 * take nothing read here as proof.
 *
 * All fields are little endian, fixed width; any change of size or order is a new abi_major.
 */
#ifndef LIFESIGN_SEGMENT_H
#define LIFESIGN_SEGMENT_H

#include <stddef.h>
#include <stdint.h>

#define SEGMENT_MAGIC UINT64_C(0x4e4749534546494c) /* "LIFESIGN" as bytes in memory */
#define SEGMENT_ABI_MAJOR 1
#define SEGMENT_ABI_MINOR 0

#define SEGMENT_HEADER_BYTES 4096
#define SEGMENT_PROCESS_BYTES 128
#define SEGMENT_SLOT_BYTES 128
#define SEGMENT_NAME_BYTES 16

#define SEGMENT_SLOTS_DEFAULT 8192
#define SEGMENT_SLOTS_MIN 64
#define SEGMENT_SLOTS_MAX 65536

#define SEGMENT_TAKEN UINT64_C(0xffffffff00000000) /* a `claim` of nobody: it is being freed */

/* `call`: the operation in the low 16 bits (a number of calls.h), then flags. */
#define CALL_OP_MASK UINT64_C(0xffff)
#define CALL_TIMED UINT64_C(0x10000)  /* the caller gave a deadline: this wait ends by itself */
#define CALL_INSIDE UINT64_C(0x20000) /* entered from within a container call, see `container` */

/* segment_process.flags */
#define PROCESS_SYMBOLS_MISSING 0x1u /* some wrapped names do not exist in this libc (count beside) */
#define PROCESS_NO_EXIT_KEY 0x2u     /* no pthread key could be had: slots are freed by the supervisor's scan */
#define PROCESS_TID_BY_SYSCALL 0x4u  /* thread ids come from gettid(2), not from the thread's own memory */
#define PROCESS_DEEPBIND 0x8u        /* a library was loaded with RTLD_DEEPBIND: its calls are not seen */
#define PROCESS_QUEUE_DEPTH 0x10u    /* queue_depth was set by the service (lifesign.h) */

enum segment_libc { LIBC_UNKNOWN = 0, LIBC_GLIBC = 1, LIBC_MUSL = 2 };

struct segment_header {
	uint64_t magic;           /*   0: SEGMENT_MAGIC, stored last */
	uint16_t abi_major;       /*   8 */
	uint16_t abi_minor;       /*  10 */
	uint32_t header_bytes;    /*  12 */
	uint32_t process_bytes;   /*  16: size of one entry; a reader steps by it, not by sizeof */
	uint32_t process_count;   /*  20: power of two */
	uint64_t process_offset;  /*  24 */
	uint32_t slot_bytes;      /*  32 */
	uint32_t slot_count;      /*  36: power of two */
	uint64_t slot_offset;     /*  40 */
	uint64_t segment_bytes;   /*  48 */
	uint64_t created;         /*  56: ns of CLOCK_BOOTTIME */
	int64_t boot_minus_mono;  /*  64: ns to add to CLOCK_MONOTONIC; the supervisor keeps it right after a suspend */
	int32_t supervisor;       /*  72: pid of the supervisor in its own pid namespace */
	uint32_t reserved0;       /*  76 */
	uint8_t reserved1[48];    /*  80 */
	uint64_t threads_started; /* 128: slots ever claimed; atomic add by shims */
	uint64_t threads_ended;   /* 136: slots ever freed; atomic add by shims and supervisor */
	uint64_t threads_refused; /* 144: threads that found no free slot; atomic add by shims */
	uint64_t processes_refused; /* 152: processes that found no free entry */
	uint32_t slot_hint;       /* 160: where the next claim starts to look; any value is fine */
	uint32_t process_hint;    /* 164 */
	uint8_t reserved2[3928];  /* 168 */
};

struct segment_process {
	uint64_t claim;        /*   0: 0 free, else generation << 32 | pid */
	uint32_t parent;       /*   8: pid that forked or exec'ed it, 0 unknown */
	uint32_t libc;         /*  12: enum segment_libc */
	uint64_t stamp;        /*  16: ns of CLOCK_BOOTTIME at the claim; new after each exec: the exec nonce */
	uint32_t flags;        /*  24: PROCESS_* */
	uint32_t missing;      /*  28: wrapped names that were not found */
	int64_t queue_depth;   /*  32: lifesign_queue_depth(), valid with PROCESS_QUEUE_DEPTH */
	uint64_t refused;      /*  40: threads of this process that found no slot */
	uint64_t generation;   /*  48: claims of this entry so far; survives freeing */
	uint64_t witness;      /*  56: address in the process of a private word that holds `stamp`: after an exec
	                        *      it does not, though pid, start time and this entry are the same */
	uint8_t reserved[64];  /*  64 */
};

struct segment_slot {
	/* hot: written at each call */
	uint64_t call;      /*   0: G1 */
	uint64_t entries;   /*   8: G2 */
	uint64_t object;    /*  16: what the call works on: fd, address or pid, see calls.h */
	uint64_t extra;     /*  24: second operand: the mutex of a cond_wait, an epoll time-out in ms, a futex op */
	uint64_t caller;    /*  32: return address of the outermost call */
	uint64_t frame;     /*  40: stack address of the outermost wrapper */
	uint64_t nested;    /*  48: operation of a call inside the call, 0 = none (G3) */
	uint64_t container; /*  56: op << 48 | object of a call that runs the caller's own code (pthread_once) */
	/* cold: written at the claim */
	uint64_t claim;         /*  64: 0 free, else generation << 32 | pid */
	uint32_t tid;           /*  72: in the thread's own pid namespace */
	uint32_t process;       /*  76: index of its segment_process */
	uint64_t stamp;         /*  80: ns of CLOCK_BOOTTIME at the claim */
	uint64_t start_routine; /*  88: argument of pthread_create, 0 for a main thread */
	uint64_t base;          /*  96: `entries` at the claim */
	uint64_t stack_top;     /* 104: highest stack address known to be the thread's own */
	char name[SEGMENT_NAME_BYTES]; /* 112: as given to pthread_setname_np, else empty; NUL-terminated */
};

#define SEGMENT_AT(type, field, offset) \
	_Static_assert(offsetof(struct type, field) == (offset), #type "." #field " moved")

_Static_assert(sizeof(struct segment_header) == SEGMENT_HEADER_BYTES, "segment_header has another size");
_Static_assert(sizeof(struct segment_process) == SEGMENT_PROCESS_BYTES, "segment_process has another size");
_Static_assert(sizeof(struct segment_slot) == SEGMENT_SLOT_BYTES, "segment_slot has another size");
SEGMENT_AT(segment_header, magic, 0);
SEGMENT_AT(segment_header, abi_major, 8);
SEGMENT_AT(segment_header, abi_minor, 10);
SEGMENT_AT(segment_header, header_bytes, 12);
SEGMENT_AT(segment_header, process_bytes, 16);
SEGMENT_AT(segment_header, process_count, 20);
SEGMENT_AT(segment_header, process_offset, 24);
SEGMENT_AT(segment_header, slot_bytes, 32);
SEGMENT_AT(segment_header, slot_count, 36);
SEGMENT_AT(segment_header, slot_offset, 40);
SEGMENT_AT(segment_header, segment_bytes, 48);
SEGMENT_AT(segment_header, created, 56);
SEGMENT_AT(segment_header, boot_minus_mono, 64);
SEGMENT_AT(segment_header, supervisor, 72);
SEGMENT_AT(segment_header, reserved0, 76);
SEGMENT_AT(segment_header, reserved1, 80);
SEGMENT_AT(segment_header, threads_started, 128);
SEGMENT_AT(segment_header, threads_ended, 136);
SEGMENT_AT(segment_header, threads_refused, 144);
SEGMENT_AT(segment_header, processes_refused, 152);
SEGMENT_AT(segment_header, slot_hint, 160);
SEGMENT_AT(segment_header, process_hint, 164);
SEGMENT_AT(segment_header, reserved2, 168);
SEGMENT_AT(segment_process, claim, 0);
SEGMENT_AT(segment_process, parent, 8);
SEGMENT_AT(segment_process, libc, 12);
SEGMENT_AT(segment_process, stamp, 16);
SEGMENT_AT(segment_process, flags, 24);
SEGMENT_AT(segment_process, missing, 28);
SEGMENT_AT(segment_process, queue_depth, 32);
SEGMENT_AT(segment_process, refused, 40);
SEGMENT_AT(segment_process, generation, 48);
SEGMENT_AT(segment_process, witness, 56);
SEGMENT_AT(segment_process, reserved, 64);
SEGMENT_AT(segment_slot, call, 0);
SEGMENT_AT(segment_slot, entries, 8);
SEGMENT_AT(segment_slot, object, 16);
SEGMENT_AT(segment_slot, extra, 24);
SEGMENT_AT(segment_slot, caller, 32);
SEGMENT_AT(segment_slot, frame, 40);
SEGMENT_AT(segment_slot, nested, 48);
SEGMENT_AT(segment_slot, container, 56);
SEGMENT_AT(segment_slot, claim, 64);
SEGMENT_AT(segment_slot, tid, 72);
SEGMENT_AT(segment_slot, process, 76);
SEGMENT_AT(segment_slot, stamp, 80);
SEGMENT_AT(segment_slot, start_routine, 88);
SEGMENT_AT(segment_slot, base, 96);
SEGMENT_AT(segment_slot, stack_top, 104);
SEGMENT_AT(segment_slot, name, 112);

/*
 * The hand-over. A process that was exec'ed with LIFESIGN_SEGMENT=@NAME connects to the abstract
 * SOCK_SEQPACKET socket NAME and receives one segment_grant with the memfd as SCM_RIGHTS. The supervisor
 * answers its own descendants only (SO_PEERCRED) and closes the connection. Without LIFESIGN_SEGMENT but with
 * LIFESIGN_DIR=/DIR the socket is the file /DIR/join, of the same type and with the same answer.
 */
#define SEGMENT_JOIN_PATH "/join"

struct segment_grant {
	uint64_t magic; /* SEGMENT_MAGIC */
	uint64_t bytes; /* how much to map */
	uint32_t pid;   /* the receiver's pid as the supervisor sees it */
	uint32_t reserved;
};
_Static_assert(sizeof(struct segment_grant) == 24, "segment_grant has another size");

#endif
