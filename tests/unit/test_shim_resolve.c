/* SPDX-License-Identifier: Apache-2.0 */
/* resolve.c finds what dlsym finds, in every kind of table, and survives tables that are not what they say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <sys/auxv.h>

#include "resolve.h"

static const char *const names[] = {"read", "pthread_mutex_lock", "pthread_cond_wait", "pthread_create",
	"sem_wait", "getaddrinfo", "epoll_wait", "fopen", "longjmp", "__read_chk", "pthread_once"};
enum { NAMES = sizeof(names) / sizeof(names[0]) };

static void finds_the_default_version_as_the_loader_does(void **state)
{
	void *found[NAMES] = {NULL};

	(void)state;
	resolve_names(names, found, NAMES);
	for (size_t i = 0; i < NAMES; i++) {
		void *expected = dlsym(RTLD_NEXT, names[i]);

		if (found[i] != expected)
			fail_msg("%s is at %p, not at %p", names[i], expected, found[i]);
	}
}

static void what_is_not_there_stays_null_and_what_was_there_stays(void **state)
{
	static const char *const absent[] = {"", "no_such_function_anywhere", "read"};
	void *found[] = {NULL, NULL, (void *)16};

	(void)state;
	resolve_names(absent, found, 3);
	assert_null(found[0]);
	assert_null(found[1]);
	assert_ptr_equal(found[2], (void *)16);
}

/* It would be the wrong copy where a program has copied it. */
static void data_is_no_function(void **state)
{
	static const char *const others[] = {"environ", "stdout"};
	void *found[2] = {NULL};

	(void)state;
	resolve_names(others, found, 2);
	assert_null(found[0]);
	assert_null(found[1]);
}

static void a_name_with_only_hidden_versions_is_found_last(void **state)
{
	static const char *const old[] = {"__pthread_mutex_lock"};
	void *found[1] = {NULL};

	(void)state;
	resolve_names(old, found, 1);
	assert_true(found[0] != NULL || !dlvsym(RTLD_DEFAULT, old[0], "GLIBC_2.2.5"));
}

static void an_old_version_is_found_where_there_is_one(void **state)
{
	(void)state;
	assert_ptr_equal(
		resolve_old("pthread_cond_wait"), dlvsym(RTLD_DEFAULT, "pthread_cond_wait", "GLIBC_2.2.5"));
	assert_null(resolve_old("read")); /* has one version */
	assert_null(resolve_old("no_such_function"));
}

static int open_libc(struct dl_phdr_info *info, size_t bytes, void *object)
{
	(void)bytes;
	if (!strstr(info->dlpi_name, "libc.so"))
		return 0;
	return resolve_open(object, info->dlpi_addr, info->dlpi_phdr, info->dlpi_phnum);
}

static void both_kinds_of_hash_table_give_the_same(void **state)
{
	struct resolve_object libc, by_sysv, by_gnu;

	(void)state;
	assert_int_equal(dl_iterate_phdr(open_libc, &libc), 1);
	by_sysv = by_gnu = libc;
	by_sysv.gnu_hash = NULL;
	by_gnu.hash = NULL;
	assert_non_null(libc.gnu_hash);
	for (size_t i = 0; i < NAMES; i++) {
		void *expected = resolve_find(&by_gnu, names[i], resolve_hash(names[i]), VERSION_DEFAULT);

		assert_non_null(expected);
		if (libc.hash)
			assert_ptr_equal(
				resolve_find(&by_sysv, names[i], resolve_hash(names[i]), VERSION_DEFAULT),
				expected);
	}
}

static void an_object_without_tables_is_none(void **state)
{
	struct resolve_object object;
	ElfW(Phdr) load = {.p_type = PT_LOAD, .p_flags = PF_R, .p_vaddr = 0, .p_memsz = 64};

	(void)state;
	assert_false(resolve_open(&object, (uintptr_t)names, &load, 1));
	assert_false(resolve_open(&object, 0, NULL, 0));
}

enum { BUCKETS = 4, WORDS = 128 };

/* Tables made by hand, of random words: nothing outside of `words` may be read, no walk may be endless. */
static void random_tables_are_bounded(void **state)
{
	uint32_t *words = malloc(WORDS * sizeof(uint32_t)); /* so that a sanitizer sees its end */
	struct resolve_object object = {.readable_count = 1};

	(void)state;
	srand(1);
	object.readable[0].start = (uintptr_t)words;
	object.readable[0].end = (uintptr_t)(words + WORDS);
	for (int round = 0; round < 200000; round++) {
		for (int i = 0; i < WORDS; i++)
			words[i] = rand() % 3 ? (uint32_t)rand() % WORDS : (uint32_t)rand() * 2u;
		object.gnu_hash = round % 2 ? words : NULL;
		object.hash = words;
		words[rand() % 2] = BUCKETS;
		words[2] = 1; /* one word of bloom filter, that lets everything through */
		memset(&words[4], 0xff, 8);
		object.symbols = (const ElfW(Sym) *)(words + 8 * (rand() % 8));
		object.strings = (const char *)words;
		object.string_bytes = (size_t)rand() % (2 * WORDS * sizeof(uint32_t));
		object.versions = rand() % 2 ? (const ElfW(Half) *)words : NULL;
		object.bias = (uintptr_t)words;
		(void)resolve_find(&object, "read", resolve_hash("read"), (enum resolve_version)(round % 3));
	}
	free(words);
}

static void the_vdso_has_a_clock(void **state)
{
	uintptr_t image = getauxval(AT_SYSINFO_EHDR);

	(void)state;
	assert_null(resolve_in_image(0, "__vdso_clock_gettime"));
	if (image) {
		assert_true(resolve_in_image(image, "__vdso_clock_gettime") ||
			    resolve_in_image(image, "__kernel_clock_gettime"));
		assert_null(resolve_in_image(image, "no_such_function"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_default_version_as_the_loader_does),
		cmocka_unit_test(what_is_not_there_stays_null_and_what_was_there_stays),
		cmocka_unit_test(data_is_no_function),
		cmocka_unit_test(a_name_with_only_hidden_versions_is_found_last),
		cmocka_unit_test(an_old_version_is_found_where_there_is_one),
		cmocka_unit_test(both_kinds_of_hash_table_give_the_same),
		cmocka_unit_test(an_object_without_tables_is_none),
		cmocka_unit_test(random_tables_are_bounded),
		cmocka_unit_test(the_vdso_has_a_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
