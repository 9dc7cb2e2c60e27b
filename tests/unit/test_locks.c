/* SPDX-License-Identifier: Apache-2.0 */
/* What a lock's memory says: real locks of this libc in every kind, bytes of musl's by its layout. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "watch/evidence.h"
#include "watch/locks.h"

static void parse(const void *lock, const char *op, struct lock_facts *out)
{
	unsigned char bytes[LOCK_BYTES];

	memcpy(bytes, lock, sizeof(bytes));
	locks_parse_glibc(op, bytes, out);
}

static void mutex_of(int type, int robust, int protocol, int shared, struct lock_facts *held, struct lock_facts *free)
{
	pthread_mutexattr_t attributes;
	pthread_mutex_t mutex;

	assert_int_equal(pthread_mutexattr_init(&attributes), 0);
	assert_int_equal(pthread_mutexattr_settype(&attributes, type), 0);
	assert_int_equal(pthread_mutexattr_setrobust(&attributes, robust), 0);
	assert_int_equal(pthread_mutexattr_setprotocol(&attributes, protocol), 0);
	assert_int_equal(pthread_mutexattr_setpshared(&attributes, shared), 0);
	assert_int_equal(pthread_mutex_init(&mutex, &attributes), 0);
	assert_int_equal(pthread_mutex_lock(&mutex), 0);
	parse(&mutex, "pthread_mutex_lock", held);
	assert_int_equal(pthread_mutex_unlock(&mutex), 0);
	parse(&mutex, "pthread_mutex_lock", free);
}

static void every_kind_of_mutex_names_its_kind_and_owner(void **state)
{
	static const struct {
		int type;
		enum lock_kind kind;
	} types[] = {{PTHREAD_MUTEX_NORMAL, LOCK_NORMAL}, {PTHREAD_MUTEX_RECURSIVE, LOCK_RECURSIVE},
		{PTHREAD_MUTEX_ERRORCHECK, LOCK_ERRORCHECK}, {PTHREAD_MUTEX_ADAPTIVE_NP, LOCK_ADAPTIVE}};

	(void)state;
	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		for (unsigned bits = 0; bits < 8; bits++) {
			struct lock_facts held, free;
			bool robust = bits & 1, inherits = bits & 2, shared = bits & 4;

			mutex_of(types[i].type, robust ? PTHREAD_MUTEX_ROBUST : PTHREAD_MUTEX_STALLED,
				inherits ? PTHREAD_PRIO_INHERIT : PTHREAD_PRIO_NONE,
				shared ? PTHREAD_PROCESS_SHARED : PTHREAD_PROCESS_PRIVATE, &held, &free);
			assert_int_equal(held.kind, types[i].kind);
			assert_int_equal(held.robust, robust);
			assert_int_equal(held.inherits, inherits);
			assert_int_equal(held.shared, shared || robust); /* glibc treats every robust one as shared */
			assert_int_equal(held.owner, gettid());
			assert_int_equal(free.owner, 0);
		}
	}
}

static void a_rwlock_names_its_writer_and_no_reader(void **state)
{
	pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
	struct lock_facts facts;

	(void)state;
	pthread_rwlock_wrlock(&lock);
	parse(&lock, "pthread_rwlock_rdlock", &facts);
	assert_int_equal(facts.kind, LOCK_RWLOCK);
	assert_int_equal(facts.owner, gettid());
	pthread_rwlock_unlock(&lock);
	pthread_rwlock_rdlock(&lock);
	parse(&lock, "pthread_rwlock_wrlock", &facts);
	assert_int_equal(facts.owner, 0);
	pthread_rwlock_unlock(&lock);
}

static void musl_names_no_owner_of_a_normal_mutex(void **state)
{
	const struct {
		uint32_t type, lock;
		enum lock_kind kind;
		pid_t owner;
	} rows[] = {
		{0, 0x10, LOCK_NORMAL, 0}, {1, 77 | 0x80000000, LOCK_RECURSIVE, 77}, {2, 77, LOCK_ERRORCHECK, 77},
		{4, 77, LOCK_NORMAL, 77}, {8 | 2, 77, LOCK_ERRORCHECK, 77}, {3, 77, LOCK_UNKNOWN, 0}, {0x5a5a, 77, LOCK_UNKNOWN, 0},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t words[LOCK_BYTES / 4] = {rows[i].type, rows[i].lock};
		struct lock_facts facts;

		locks_parse_musl("pthread_mutex_lock", (const unsigned char *)words, &facts);
		assert_int_equal(facts.kind, rows[i].kind);
		assert_int_equal(facts.owner, rows[i].owner);
	}
}

static void memory_that_is_no_mutex_names_nobody(void **state)
{
	unsigned char bytes[LOCK_BYTES];
	struct lock_facts facts;

	(void)state;
	memset(bytes, 0x5a, sizeof(bytes));
	locks_parse_glibc("pthread_mutex_lock", bytes, &facts);
	assert_int_equal(facts.kind, LOCK_UNKNOWN);
	assert_int_equal(facts.owner, 0);
	memset(bytes, 0, sizeof(bytes));
	locks_parse_glibc("sem_wait", bytes, &facts);
	assert_int_equal(facts.kind, LOCK_UNKNOWN);
}

static void a_line_of_syscall_is_read(void **state)
{
	struct evidence evidence;

	(void)state;
	evidence_parse_syscall("202 0x7f00dead 0x80 0x2 0x0 0x0 0x0 0x7ffd 0x7f01\n", &evidence);
	assert_int_equal(evidence.syscall, 202);
	assert_int_equal(evidence.arguments[0], 0x7f00dead);
	assert_int_equal(evidence.arguments[1], 0x80);
	evidence_parse_syscall("running\n", &evidence);
	assert_int_equal(evidence.syscall, SYSCALL_NONE);
	evidence_parse_syscall("-1 0x7ffd 0x7f01\n", &evidence);
	assert_int_equal(evidence.syscall, SYSCALL_NONE);
	evidence_parse_syscall("", &evidence);
	assert_int_equal(evidence.syscall, SYSCALL_NONE);
}

static void a_thread_of_ours_can_be_read(void **state)
{
	struct process_row row = {.pid = getpid(), .uid = getuid(), .gid = getgid(), .readable = true};
	struct evidence evidence;

	(void)state;
	while (clock() < CLOCKS_PER_SEC / 20)
		; /* CPU time to be seen */
	assert_true(evidence_read(&row, gettid(), &evidence));
	assert_int_equal(evidence.state, 'R');
	assert_true(evidence.cpu_ns > 0);
	assert_false(evidence_read(&row, 1 << 30, &evidence));
	assert_int_equal(evidence.state, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_of_mutex_names_its_kind_and_owner),
		cmocka_unit_test(a_rwlock_names_its_writer_and_no_reader),
		cmocka_unit_test(musl_names_no_owner_of_a_normal_mutex),
		cmocka_unit_test(memory_that_is_no_mutex_names_nobody),
		cmocka_unit_test(a_line_of_syscall_is_read),
		cmocka_unit_test(a_thread_of_ours_can_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
