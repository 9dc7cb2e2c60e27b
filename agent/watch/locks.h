/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a lock's own memory says: its kind and who holds it, for the layouts of glibc and musl.
 * glibc (nptl/struct_mutex.h, struct_rwlock.h; the same since 2.25 on every LP64 machine): pthread_mutex_t has
 * __lock at 0, __owner at 8, __kind at 16; pthread_rwlock_t has __cur_writer at 24.
 * musl (src/internal/pthread_impl.h): a mutex has its type at 0 and the lock word at 4, which holds the owner's
 * tid unless the type is normal; a rwlock names nobody.
 * Threads: the sampler. Failure: what cannot be read or is not one of these is LOCK_UNKNOWN with owner 0.
 */
#ifndef LS_LOCKS_H
#define LS_LOCKS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "watch/tree.h"

enum lock_kind { LOCK_UNKNOWN, LOCK_NORMAL, LOCK_RECURSIVE, LOCK_ERRORCHECK, LOCK_ADAPTIVE, LOCK_RWLOCK };

struct lock_facts {
	enum lock_kind kind;
	bool robust, inherits /* priority (PI) */, shared /* between processes */;
	pid_t owner; /* tid of the exclusive holder; 0 nobody or not known */
};

/* `op` is the wrapped call that waits for it, `address` the lock in the memory of that process. */
void locks_read(const struct process_row *row, const char *op, uint64_t address, struct lock_facts *out);

/* Exposed for tests: from the first bytes of the lock. */
enum { LOCK_BYTES = 32 };
void locks_parse_glibc(const char *op, const unsigned char bytes[LOCK_BYTES], struct lock_facts *out);
void locks_parse_musl(const char *op, const unsigned char bytes[LOCK_BYTES], struct lock_facts *out);

#endif
