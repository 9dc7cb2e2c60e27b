/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/futexes.h"

#include <errno.h>
#include <linux/futex.h>
#include <string.h>

#include "watch/locks.h"

/* Of the lock word that holds a tid (futex(2)). */
enum { TID_MASK = 0x3fffffff, MUSL_WAITERS = 0x40000000 };

/* pthread_rwlock_t, from the word that readers or writers sleep on. */
enum {
	RW_PHASE_AT = 8,
	RW_WRITERS_AT = 12,
	RW_OWNER_AT = 24,
	RW_SHARED_AT = 28,
	RW_LOCKED = 2,
	RW_READER_SHIFT = 3
};

/* pthread_cond_t: the two words of its groups that waiters sleep on. */
enum { CV_SEQUENCE_AT = 0, CV_START_AT = 8, CV_REFERENCES_AT = 16, CV_WAITERS_AT = 36, CV_SIGNALS_AT = 40 };

/* pthread_mutex_t */
enum { MX_USERS_AT = 12, MX_LIST_AT = 24, MX_LIST_BYTES = 16, MX_USERS_MOST = 16384 };

/* sem_t; FUTEX_PRIVATE_FLAG stands in it when it is shared. */
enum { SEM_WAITERS_AT = 4, SEM_PRIVATE_AT = 8 };

static uint32_t word(const struct futex_sight *sight, int offset)
{
	uint32_t value;

	memcpy(&value, sight->bytes + FUTEX_BEFORE + offset, sizeof(value));
	return value;
}

static uint64_t wide(const struct futex_sight *sight, int offset)
{
	uint64_t value;

	memcpy(&value, sight->bytes + FUTEX_BEFORE + offset, sizeof(value));
	return value;
}

static bool is_tid(const struct futex_sight *sight, pid_t tid)
{
	return tid > 0 && (uint32_t)tid <= sight->most_tid;
}

static bool take_mutex(
	const struct futex_sight *sight, int begins, const struct lock_facts *facts, struct futex_facts *out)
{
	if (facts->kind == LOCK_UNKNOWN || !is_tid(sight, facts->owner))
		return false;
	*out = (struct futex_facts){.kind = FUTEX_MUTEX,
		.object = sight->address + (uint64_t)(int64_t)begins,
		.owner = facts->owner,
		.robust = facts->robust,
		.inherits = facts->inherits,
		.shared = facts->shared};
	return true;
}

/* A waiter has left 2 in the lock word and the list of robust ones is empty; a robust one holds a tid and the
 * waiters' bit. */
static bool is_contended(const struct futex_sight *sight, const struct lock_facts *facts)
{
	static const unsigned char none[MX_LIST_BYTES];

	if (facts->inherits)
		return false; /* nobody waits for these by FUTEX_WAIT */
	if (facts->robust)
		return (sight->value & FUTEX_WAITERS) && (sight->value & TID_MASK) == (uint32_t)facts->owner;
	return word(sight, 0) == 2 && sight->value == 2 &&
	       memcmp(sight->bytes + FUTEX_BEFORE + MX_LIST_AT, none, MX_LIST_BYTES) == 0;
}

static bool glibc_mutex(const struct futex_sight *sight, struct futex_facts *out)
{
	struct lock_facts facts;

	if (sight->address % 8 || word(sight, MX_USERS_AT) > MX_USERS_MOST)
		return false;
	locks_parse_glibc("pthread_mutex_lock", sight->bytes + FUTEX_BEFORE, &facts);
	return is_contended(sight, &facts) && take_mutex(sight, 0, &facts, out);
}

static bool glibc_rwlock(const struct futex_sight *sight, struct futex_facts *out)
{
	int begins = sight->address % 8 ? -RW_WRITERS_AT : -RW_PHASE_AT;
	uint32_t readers = word(sight, begins), shared = word(sight, begins + RW_SHARED_AT);
	pid_t owner = (pid_t)word(sight, begins + RW_OWNER_AT);
	uint32_t count = readers >> RW_READER_SHIFT;

	if (shared > 1 || (word(sight, 0) & ~3U) || (sight->value & ~3U) || !(sight->value & 2) ||
		wide(sight, begins + 16) != 0)
		return false; /* 2: somebody sleeps on it; then its padding */
	*out = (struct futex_facts){.object = sight->address + (uint64_t)(int64_t)begins, .shared = shared};
	if (owner) {
		out->kind = FUTEX_WRITER;
		out->owner = owner;
		return is_tid(sight, owner) && (readers & RW_LOCKED);
	}
	out->kind = FUTEX_READERS;
	out->count = count;
	return count > 0 && count < 100000;
}

static bool glibc_condition(const struct futex_sight *sight, struct futex_facts *out)
{
	int group = sight->address % 8 ? 1 : 0, begins = -(CV_SIGNALS_AT + 4 * group);
	uint32_t waiters = word(sight, begins + CV_WAITERS_AT) >> 3, sleepers;
	uint64_t sequence = wide(sight, begins + CV_SEQUENCE_AT) >> 1,
		 start = wide(sight, begins + CV_START_AT) >> 1;

	sleepers = word(sight, begins + CV_REFERENCES_AT + 4 * group) >> 1;
	*out = (struct futex_facts){
		.kind = FUTEX_CONDITION, .object = sight->address + (uint64_t)(int64_t)begins};
	return waiters > 0 && waiters <= sight->threads && sleepers <= waiters && start <= sequence &&
	       sequence - start <= UINT32_MAX;
}

static bool glibc_semaphore(const struct futex_sight *sight, struct futex_facts *out)
{
	uint32_t waiters = word(sight, SEM_WAITERS_AT), private = word(sight, SEM_PRIVATE_AT);

	*out = (struct futex_facts){.kind = FUTEX_SEMAPHORE, .object = sight->address};
	return sight->value == 0 && waiters > 0 && waiters <= sight->threads &&
	       (private == 0 || private == FUTEX_PRIVATE_FLAG);
}

/* The kernel wakes it when it clears the tid of a thread that ends: never a private futex. */
static bool glibc_join(const struct futex_sight *sight, struct futex_facts *out)
{
	*out = (struct futex_facts){.kind = FUTEX_JOIN, .object = sight->address, .owner = (pid_t)sight->value};
	return !(sight->op & FUTEX_PRIVATE_FLAG) && sight->value_is_thread && word(sight, 0) == sight->value;
}

/* _IO_lock_t: the lock, how often, and a pointer to the owner's thread block. */
static bool glibc_stream(const struct futex_sight *sight, struct futex_facts *out)
{
	uint64_t pointer = wide(sight, 8);

	*out = (struct futex_facts){.kind = FUTEX_STREAM, .object = sight->address, .pointer = pointer};
	return sight->value == 2 && word(sight, 0) == 2 && word(sight, 4) < 1000 && pointer > UINT32_MAX &&
	       pointer % 16 == 0;
}

static bool musl_mutex(const struct futex_sight *sight, struct futex_facts *out)
{
	struct lock_facts facts;

	if (sight->address % 8 != 4)
		return false;
	locks_parse_musl("pthread_mutex_lock", sight->bytes + FUTEX_BEFORE - 4, &facts);
	return (sight->value & TID_MASK) == (uint32_t)facts.owner && take_mutex(sight, -4, &facts, out);
}

/* A normal one holds a mark, EBUSY, and no tid. */
static bool musl_normal(const struct futex_sight *sight, struct futex_facts *out)
{
	*out = (struct futex_facts){.kind = FUTEX_LOCK, .object = sight->address - 4};
	return sight->address % 8 == 4 && (word(sight, -4) & ~128U) == 0 &&
	       (word(sight, 0) & TID_MASK) == EBUSY;
}

/* A stream's lock is the owner's tid and a bit for those who wait; nothing else of musl sleeps on such a word.
 */
static bool musl_stream(const struct futex_sight *sight, struct futex_facts *out)
{
	*out = (struct futex_facts){
		.kind = FUTEX_STREAM, .object = sight->address, .owner = (pid_t)(sight->value & TID_MASK)};
	return (sight->value & ~(uint32_t)TID_MASK) == MUSL_WAITERS && sight->value_is_thread &&
	       word(sight, 0) == sight->value && (sight->op & FUTEX_PRIVATE_FLAG);
}

static bool unnamed_lock(const struct futex_sight *sight, struct futex_facts *out)
{
	*out = (struct futex_facts){.kind = FUTEX_LOCK, .object = sight->address};
	return sight->value == 2 && word(sight, 0) == 2;
}

/* A lock that the kernel itself passes on: its word is the owner's tid. */
static void tell_inheriting(const struct futex_sight *sight, struct futex_facts *out)
{
	pid_t owner = (pid_t)(word(sight, 0) & TID_MASK);

	if (is_tid(sight, owner))
		*out = (struct futex_facts){.kind = FUTEX_MUTEX,
			.object = sight->address,
			.owner = owner,
			.inherits = true,
			.shared = !(sight->op & FUTEX_PRIVATE_FLAG)};
}

/* From what says most about itself to what says least. */
static bool (*const glibc[])(const struct futex_sight *, struct futex_facts *) = {
	glibc_join, glibc_mutex, glibc_stream, glibc_rwlock, glibc_condition, glibc_semaphore, unnamed_lock};
static bool (*const musl[])(const struct futex_sight *, struct futex_facts *) = {
	musl_mutex, musl_normal, musl_stream};

void futexes_tell(const struct futex_sight *sight, struct futex_facts *out)
{
	unsigned command = sight->op & FUTEX_CMD_MASK,
		 count = sight->is_musl ? sizeof(musl) / sizeof(musl[0]) : sizeof(glibc) / sizeof(glibc[0]);
	bool (*const *kinds)(const struct futex_sight *, struct futex_facts *) = sight->is_musl ? musl : glibc;
	struct futex_facts facts;

	*out = (struct futex_facts){0};
	if (command == FUTEX_LOCK_PI || command == 13 /* FUTEX_LOCK_PI2, Linux 5.14 */) {
		tell_inheriting(sight, out);
	} else if (command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET) {
		for (unsigned i = 0; i < count; i++) {
			if (!kinds[i](sight, &facts))
				continue;
			*out = facts;
			return;
		}
	}
}
