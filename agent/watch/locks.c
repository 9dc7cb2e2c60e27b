/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/locks.h"

#include <string.h>

#include "lifesign/segment.h"

/* Of glibc's __kind; the low two bits are the type. */
enum { KIND_TYPE = 3, KIND_ROBUST = 16, KIND_INHERIT = 32, KIND_PROTECT = 64, KIND_SHARED = 128, KIND_ELISION = 256 | 512 };
enum { KIND_KNOWN = KIND_TYPE | KIND_ROBUST | KIND_INHERIT | KIND_PROTECT | KIND_SHARED | KIND_ELISION };

/* Of musl's type word. */
enum { MUSL_TYPE = 3, MUSL_ROBUST = 4, MUSL_INHERIT = 8, MUSL_SHARED = 128, MUSL_KNOWN = 143 };

/* A lock word that holds a tid (futex(2)): FUTEX_WAITERS and FUTEX_OWNER_DIED are above. */
enum { TID_MASK = 0x3fffffff };

enum { AT_LOCK = 0, AT_OWNER = 8, AT_KIND = 16, AT_WRITER = 24, AT_MUSL_TYPE = 0, AT_MUSL_LOCK = 4 };

static const enum lock_kind types[] = {LOCK_NORMAL, LOCK_RECURSIVE, LOCK_ERRORCHECK, LOCK_ADAPTIVE};

static uint32_t word_at(const unsigned char *bytes, unsigned offset)
{
	uint32_t word;

	memcpy(&word, bytes + offset, sizeof(word));
	return word;
}

static bool starts_with(const char *op, const char *prefix)
{
	return strncmp(op, prefix, strlen(prefix)) == 0;
}

static bool is_mutex(const char *op)
{
	return starts_with(op, "pthread_mutex_") || starts_with(op, "mtx_");
}

static bool is_rwlock(const char *op)
{
	return starts_with(op, "pthread_rwlock_");
}

/* A robust or inheriting mutex keeps the tid in the lock word, which the kernel itself reads; others beside it. */
static pid_t glibc_owner(const unsigned char *bytes, uint32_t kind)
{
	uint32_t lock = word_at(bytes, AT_LOCK);

	if (lock == 0)
		return 0; /* free: what is left of an owner is of the past */
	if (kind & (KIND_ROBUST | KIND_INHERIT))
		return (pid_t)(lock & TID_MASK);
	return (pid_t)(word_at(bytes, AT_OWNER) & TID_MASK);
}

void locks_parse_glibc(const char *op, const unsigned char bytes[LOCK_BYTES], struct lock_facts *out)
{
	uint32_t kind = word_at(bytes, AT_KIND);

	*out = (struct lock_facts){0};
	if (is_rwlock(op)) {
		out->kind = LOCK_RWLOCK;
		out->owner = (pid_t)(word_at(bytes, AT_WRITER) & TID_MASK);
	} else if (is_mutex(op) && !(kind & ~(uint32_t)KIND_KNOWN)) {
		out->kind = types[kind & KIND_TYPE];
		out->robust = kind & KIND_ROBUST;
		out->inherits = kind & KIND_INHERIT;
		out->shared = kind & KIND_SHARED;
		out->owner = glibc_owner(bytes, kind);
	}
}

void locks_parse_musl(const char *op, const unsigned char bytes[LOCK_BYTES], struct lock_facts *out)
{
	uint32_t type = word_at(bytes, AT_MUSL_TYPE);

	*out = (struct lock_facts){0};
	if (is_rwlock(op)) {
		out->kind = LOCK_RWLOCK;
	} else if (is_mutex(op) && !(type & ~(uint32_t)MUSL_KNOWN) && (type & MUSL_TYPE) < 3) {
		out->kind = types[type & MUSL_TYPE];
		out->robust = type & MUSL_ROBUST;
		out->inherits = type & MUSL_INHERIT;
		out->shared = type & MUSL_SHARED;
		if (type & ~(uint32_t)MUSL_SHARED) /* a normal one holds a mark, no tid */
			out->owner = (pid_t)(word_at(bytes, AT_MUSL_LOCK) & TID_MASK);
	}
}

void locks_read(const struct process_row *row, const char *op, uint64_t address, struct lock_facts *out)
{
	struct reach_target target = tree_target(row);
	unsigned char bytes[LOCK_BYTES];

	*out = (struct lock_facts){0};
	if (!op || !row->readable || reach_memory(&target, address, bytes, sizeof(bytes)) != sizeof(bytes))
		return;
	if (row->libc == LIBC_GLIBC)
		locks_parse_glibc(op, bytes, out);
	else if (row->libc == LIBC_MUSL)
		locks_parse_musl(op, bytes, out);
}
