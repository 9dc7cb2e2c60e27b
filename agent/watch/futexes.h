/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a futex is, from the call and the memory around it, for glibc (the layouts since 2.25) and musl. Nothing
 * here is taken for what it looks like before all its words agree: the rest is "looks like", or unknown.
 * Threads: any; pure. Failure: FUTEX_UNKNOWN.
 * Sources: glibc nptl/struct_mutex.h, struct_rwlock.h, thread-shared-types.h, internaltypes.h; musl
 * pthread_impl.h.
 */
#ifndef LS_FUTEXES_H
#define LS_FUTEXES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum futex_kind {
	FUTEX_UNKNOWN,
	FUTEX_MUTEX,   /* owner: who holds it */
	FUTEX_WRITER,  /* a rwlock that a writer holds: owner */
	FUTEX_READERS, /* a rwlock that readers hold, who leave no name */
	FUTEX_CONDITION,
	FUTEX_SEMAPHORE, /* looks like one */
	FUTEX_JOIN,      /* owner: the thread that is to end */
	FUTEX_STREAM,    /* a stdio stream's lock; `pointer`: its owner's thread block, or `owner` */
	FUTEX_LOCK       /* a lock of the C library or another that names no owner */
};

/* Bytes around the futex: it stands at FUTEX_BEFORE. */
enum { FUTEX_BEFORE = 48, FUTEX_AFTER = 48, FUTEX_BYTES = FUTEX_BEFORE + FUTEX_AFTER };

struct futex_sight {
	unsigned char bytes[FUTEX_BYTES];
	uint64_t address;
	uint32_t op, value; /* of the call */
	uint32_t threads;   /* of the process */
	uint32_t most_tid;  /* no thread has a higher number */
	bool is_musl;
	bool value_is_thread; /* `value` (of musl without the bit of waiters) is the number of another thread that lives */
};

struct futex_facts {
	enum futex_kind kind;
	uint64_t object; /* where the whole begins */
	pid_t owner;     /* as the process numbers its threads; 0 nobody, or not told */
	uint64_t pointer;
	uint32_t count; /* of readers */
	bool robust, inherits, shared;
};

void futexes_tell(const struct futex_sight *sight, struct futex_facts *out);

#endif
