/* SPDX-License-Identifier: Apache-2.0 */
/* What explain reads out of memory, ELF files and /proc: real locks of this libc, symbols of this very program.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "explain/blocking.h"
#include "watch/file_locks.h"
#include "watch/futexes.h"
#include "watch/symbols.h"

extern uint64_t explain_marked_word[4];
uint64_t explain_marked_word[4];

/* ---- futexes */

static struct futex_sight sight_of(const void *begin, size_t bytes, int futex_at, uint32_t op, uint32_t value)
{
	struct futex_sight sight = {.op = op,
		.value = value,
		.threads = 3,
		.most_tid = 4194304,
		.address = (uint64_t)(uintptr_t)begin + (uint64_t)(int64_t)futex_at};

	assert_true(bytes - (size_t)futex_at <= FUTEX_AFTER || futex_at == 0);
	memcpy(sight.bytes + FUTEX_BEFORE - futex_at, begin,
		bytes < FUTEX_AFTER + (size_t)futex_at ? bytes : FUTEX_AFTER + (size_t)futex_at);
	return sight;
}

static void a_contended_mutex_names_its_owner(void **state)
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	struct futex_sight sight;
	struct futex_facts facts;

	(void)state;
	assert_int_equal(pthread_mutex_lock(&mutex), 0);
	mutex.__data.__lock = 2; /* as a waiter leaves it */
	sight = sight_of(&mutex, sizeof(mutex), 0, FUTEX_WAIT_PRIVATE, 2);
	futexes_tell(&sight, &facts);
	assert_int_equal(facts.kind, FUTEX_MUTEX);
	assert_int_equal(facts.owner, gettid());
	assert_int_equal(facts.object, (uintptr_t)&mutex);
	sight.most_tid = 1; /* then it is no tid, and that no mutex */
	futexes_tell(&sight, &facts);
	assert_int_not_equal(facts.kind, FUTEX_MUTEX); /* what else it looks like depends on the number */
	assert_int_equal(facts.owner, 0);
}

/* What follows the lock word of something else is not zero where a mutex has an empty list. */
static void a_lock_inside_other_data_is_no_mutex(void **state)
{
	uint32_t words[12] = {2, 0, 77, 1, 0, 0, 5, 0, 9, 0, 1, 1};
	struct futex_sight sight = sight_of(words, sizeof(words), 0, FUTEX_WAIT_PRIVATE, 2);
	struct futex_facts facts;

	(void)state;
	sight.address = 0x1000;
	futexes_tell(&sight, &facts);
	assert_int_equal(facts.kind, FUTEX_LOCK);
	assert_int_equal(facts.owner, 0);
	words[6] = words[8] = 0;
	sight = sight_of(words, sizeof(words), 0, FUTEX_WAIT_PRIVATE, 2);
	sight.address = 0x1000;
	futexes_tell(&sight, &facts);
	assert_int_equal(facts.kind, FUTEX_MUTEX); /* it was the list alone that told */
	assert_int_equal(facts.owner, 77);
}

static void a_rwlock_tells_its_writer_or_counts_readers(void **state)
{
	pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
	struct futex_sight sight;
	struct futex_facts facts;

	(void)state;
	assert_int_equal(pthread_rwlock_wrlock(&lock), 0);
	lock.__data.__wrphase_futex = 3;
	sight = sight_of(&lock, sizeof(lock), 8, FUTEX_WAIT_BITSET_PRIVATE, 3);
	futexes_tell(&sight, &facts);
	assert_int_equal(facts.kind, FUTEX_WRITER);
	assert_int_equal(facts.owner, gettid());
	assert_int_equal(facts.object, (uintptr_t)&lock);
	lock.__data.__cur_writer = 16; /* a tid that reads like the kind of a robust mutex */
	sight = sight_of(&lock, sizeof(lock), 8, FUTEX_WAIT_BITSET_PRIVATE, 3);
	futexes_tell(&sight, &facts);
	assert_int_equal(facts.kind, FUTEX_WRITER);
	lock.__data.__cur_writer = gettid();
	assert_int_equal(pthread_rwlock_unlock(&lock), 0);
	lock = (pthread_rwlock_t)PTHREAD_RWLOCK_INITIALIZER;
	assert_int_equal(pthread_rwlock_rdlock(&lock), 0);
	lock.__data.__wrphase_futex = 2;
	sight = sight_of(&lock, sizeof(lock), 8, FUTEX_WAIT_BITSET_PRIVATE, 2);
	futexes_tell(&sight, &facts);
	assert_int_equal(facts.kind, FUTEX_READERS);
	assert_int_equal(facts.count, 1);
}

static void a_join_needs_a_living_thread_and_a_shared_futex(void **state)
{
	uint32_t words[12] = {4711};
	struct futex_sight sight =
		sight_of(words, sizeof(words), 0, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 4711);
	struct futex_facts facts;

	(void)state;
	sight.value_is_thread = true;
	futexes_tell(&sight, &facts);
	assert_int_equal(facts.kind, FUTEX_JOIN);
	assert_int_equal(facts.owner, 4711);
	sight.op |= FUTEX_PRIVATE_FLAG;
	futexes_tell(&sight, &facts);
	assert_int_not_equal(facts.kind, FUTEX_JOIN);
	sight.op &= ~(uint32_t)FUTEX_PRIVATE_FLAG;
	sight.value_is_thread = false;
	futexes_tell(&sight, &facts);
	assert_int_not_equal(facts.kind, FUTEX_JOIN);
}

/* musl: type at 0, lock word at 4. */
static void musl_mutexes_name_owners_unless_normal(void **state)
{
	static const struct {
		uint32_t type, lock;
		enum futex_kind kind;
		pid_t owner;
	} rows[] = {{1, 0x80000000U | 55, FUTEX_MUTEX, 55}, {0, 0x80000000U | EBUSY, FUTEX_LOCK, 0},
		{200, 0x80000000U | 55, FUTEX_UNKNOWN, 0}};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t words[10] = {rows[i].type, rows[i].lock};
		struct futex_sight sight = sight_of(words, sizeof(words), 4, FUTEX_WAIT_PRIVATE, rows[i].lock);
		struct futex_facts facts;

		sight.is_musl = true;
		sight.address = 0x1004;
		futexes_tell(&sight, &facts);
		assert_int_equal(facts.kind, rows[i].kind);
		assert_int_equal(facts.owner, rows[i].owner);
	}
}

/* A tid and the bit of waiters, wherever it stands, if that thread lives. */
static void musl_streams_name_owners(void **state)
{
	uint32_t words[10] = {9, 9, 0x40000000U | 55};
	struct futex_sight sight = sight_of(words, sizeof(words), 8, FUTEX_WAIT_PRIVATE, 0x40000000U | 55);
	struct futex_facts facts;

	(void)state;
	sight.is_musl = sight.value_is_thread = true;
	futexes_tell(&sight, &facts);
	assert_int_equal(facts.kind, FUTEX_STREAM);
	assert_int_equal(facts.owner, 55);
	sight.value_is_thread = false;
	futexes_tell(&sight, &facts);
	assert_int_equal(facts.kind, FUTEX_UNKNOWN);
}

static void a_wait_of_another_kind_is_no_lock(void **state)
{
	uint32_t words[12] = {2, 0, 77, 1};
	struct futex_sight sight = sight_of(words, sizeof(words), 0, FUTEX_WAKE, 2);
	struct futex_facts facts;

	(void)state;
	futexes_tell(&sight, &facts);
	assert_int_equal(facts.kind, FUTEX_UNKNOWN);
}

/* ---- calls */

static void limits_are_read_from_the_arguments(void **state)
{
	static const struct {
		long number;
		uint64_t arguments[6];
		bool limited;
	} rows[] = {{SYS_futex, {0}, false}, {SYS_futex, {0, 0, 0, 1}, true},
		{SYS_epoll_pwait, {3, 1, 1, (uint32_t)-1}, false}, {SYS_epoll_pwait, {3, 1, 1, 100}, true},
		{SYS_ppoll, {1, 1, 0}, false}, {SYS_read, {0}, false}, {SYS_nanosleep, {0}, true}};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(
			blocking_is_limited(blocking_find(rows[i].number), rows[i].arguments), rows[i].limited);
	assert_null(blocking_find(SYS_getpid));
}

/* ---- symbols */

static void name(const void *address, char *out, size_t bytes)
{
	struct reach_target me = {.pid = getpid(), .uid = getuid(), .gid = getgid()};
	struct symbols symbols;

	symbols_start(&symbols);
	assert_int_equal(symbols_name(&symbols, &me, (uintptr_t)address, out, bytes), 0);
	symbols_end(&symbols);
}

static void addresses_have_names(void **state)
{
	void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char text[160];
	int local = 0;

	(void)state;
	name(&explain_marked_word[1], text, sizeof(text));
	assert_memory_equal(text, "explain_marked_word, test_explain+0x", 36);
	name((const void *)(uintptr_t)pthread_mutex_lock, text, sizeof(text));
	assert_non_null(strstr(text, "pthread_mutex_lock"));
	name(&local, text, sizeof(text));
	assert_memory_equal(text, "[stack]+0x", 10);
	name(page, text, sizeof(text));
	assert_string_equal(text, "[anon]");
	munmap(page, 4096);
}

static void what_is_nowhere_has_no_name(void **state)
{
	struct reach_target me = {.pid = getpid(), .uid = getuid(), .gid = getgid()},
			    nobody = {.pid = 0x3ffffff0};
	struct symbols symbols;
	char text[64];

	(void)state;
	symbols_start(&symbols);
	assert_int_equal(symbols_name(&symbols, &me, 16, text, sizeof(text)), -ENOENT);
	assert_string_equal(text, "");
	assert_true(symbols_name(&symbols, &nobody, 16, text, sizeof(text)) < 0);
	symbols_end(&symbols);
}

static void a_mapping_is_a_line(void **state)
{
	struct symbols_mapping mapping;

	(void)state;
	assert_int_equal(
		symbols_parse_mapping("7f00-7f10 r-xp 00001000 08:01 1234      /a b (deleted)\n", &mapping), 0);
	assert_true(mapping.start == 0x7f00 && mapping.end == 0x7f10 && mapping.offset == 0x1000 &&
		    mapping.inode == 1234);
	assert_string_equal(mapping.path, "/a b (deleted)");
	assert_int_equal(symbols_parse_mapping("7f00-7f10 rw-p 00000000 00:00 0\n", &mapping), 0);
	assert_string_equal(mapping.path, "");
	assert_int_equal(symbols_parse_mapping("7f10-7f00 rw-p 00000000 00:00 0\n", &mapping), -EPROTO);
	assert_int_equal(symbols_parse_mapping("", &mapping), -EPROTO);
}

/* ---- file locks */

static void a_waiter_stands_behind_its_holder(void **state)
{
	static const char text[] =
		"1: POSIX  ADVISORY  WRITE 10 08:01:5 0 EOF\n1: -> POSIX  ADVISORY  WRITE 7 08:01:5 0 EOF\n"
		"2: FLOCK  ADVISORY  WRITE 11 08:01:6 0 EOF\n2: -> FLOCK  ADVISORY  WRITE 7 08:01:6 0 EOF\n"
		"3: OFDLCK ADVISORY  WRITE -1 08:01:7 0 EOF\n4: POSIX  ADVISORY  READ  12 <none>:8 0 EOF\n";

	(void)state;
	assert_int_equal(file_locks_owner_in(text, FILE_LOCK_POSIX, 7, 5), 10);
	assert_int_equal(file_locks_owner_in(text, FILE_LOCK_FLOCK, 7, 0), 11);
	assert_int_equal(file_locks_owner_in(text, FILE_LOCK_POSIX, 7, 6), 0);
	assert_int_equal(file_locks_owner_in(text, FILE_LOCK_POSIX, 8, 0), 0);
	assert_int_equal(file_locks_owner_in("1:\nx\n\n", FILE_LOCK_POSIX, 7, 0), 0);
}

/* Two threads of one process: which one waits for whom is not told. */
static void of_two_waits_on_one_file_neither_is_told(void **state)
{
	static const char same[] = "1: POSIX  ADVISORY  WRITE 10 08:01:5 0 9\n1: -> POSIX  ADVISORY  WRITE 7 08:01:5 0 9\n"
				   "1: -> POSIX  ADVISORY  WRITE 7 08:01:5 0 9\n",
			  other[] = "1: POSIX  ADVISORY  WRITE 10 08:01:5 0 9\n1: -> POSIX  ADVISORY  WRITE 7 08:01:5 0 9\n"
				    "2: POSIX  ADVISORY  WRITE 11 08:01:5 10 19\n2: -> POSIX  ADVISORY  WRITE 7 08:01:5 10 19\n";

	(void)state;
	assert_int_equal(file_locks_owner_in(same, FILE_LOCK_POSIX, 7, 5), 10);
	assert_int_equal(file_locks_owner_in(other, FILE_LOCK_POSIX, 7, 5), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_contended_mutex_names_its_owner),
		cmocka_unit_test(a_lock_inside_other_data_is_no_mutex),
		cmocka_unit_test(a_rwlock_tells_its_writer_or_counts_readers),
		cmocka_unit_test(a_join_needs_a_living_thread_and_a_shared_futex),
		cmocka_unit_test(musl_mutexes_name_owners_unless_normal),
		cmocka_unit_test(musl_streams_name_owners),
		cmocka_unit_test(a_wait_of_another_kind_is_no_lock),
		cmocka_unit_test(limits_are_read_from_the_arguments),
		cmocka_unit_test(addresses_have_names),
		cmocka_unit_test(what_is_nowhere_has_no_name),
		cmocka_unit_test(a_mapping_is_a_line),
		cmocka_unit_test(a_waiter_stands_behind_its_holder),
		cmocka_unit_test(of_two_waits_on_one_file_neither_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
