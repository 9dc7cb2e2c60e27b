/* SPDX-License-Identifier: Apache-2.0 */
/* join_check(): a header that says anything leads to places inside the mapping or to none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "join.h"

enum { BYTES = SEGMENT_HEADER_BYTES + 128 * 128 };

static const uint64_t edges[] = {0, 1, 2, 3, 63, 64, 127, 128, 4095, 4096, 8192, 12288, BYTES - 128, BYTES,
	65536, 65537, UINT32_MAX, UINT64_C(1) << 63, UINT64_MAX - 127, UINT64_MAX};

static uint64_t any(void)
{
	return rand() % 4 ? edges[(size_t)rand() % (sizeof(edges) / sizeof(edges[0]))]
			  : (uint64_t)rand() * (uint64_t)rand();
}

static void whatever_a_header_says_the_places_lie_inside(void **state)
{
	struct segment_header *header = aligned_alloc(4096, (BYTES + 4095) & ~4095);
	char *end = (char *)header + BYTES;
	int accepted = 0;

	(void)state;
	srand(2);
	memset(header, 0, BYTES);
	for (int round = 0; round < 300000; round++) {
		struct shim_segment found = {0};

		*header = (struct segment_header){.magic = SEGMENT_MAGIC,
			.abi_major = 1,
			.header_bytes = SEGMENT_HEADER_BYTES,
			.process_bytes = 128,
			.slot_bytes = 128,
			.segment_bytes = BYTES,
			.process_count = (uint32_t)any(),
			.slot_count = (uint32_t)any(),
			.process_offset = any(),
			.slot_offset = any()};
		if (!join_check(header, BYTES, &found))
			continue;
		accepted++;
		assert_true((char *)found.processes >= (char *)header + SEGMENT_HEADER_BYTES);
		assert_true((char *)(found.processes + found.process_mask + 1) <= (char *)found.slots);
		assert_true((char *)(found.slots + found.slot_mask + 1) <= end);
		assert_true((uintptr_t)found.slots % 128 == 0);
	}
	assert_true(accepted > 10);
	free(header);
}

static void what_is_too_small_or_another_version_is_none(void **state)
{
	struct segment_header header = {.magic = SEGMENT_MAGIC, .abi_major = 2};
	struct shim_segment found = {0};

	(void)state;
	assert_false(join_check(&header, 8, &found));
	assert_false(join_check(&header, sizeof(header), &found));
	assert_null(found.header);
}

static void names_that_are_none_lead_nowhere(void **state)
{
	struct shim_segment found = {0};
	uint32_t pid;
	char longest[200];

	(void)state;
	memset(longest, 'x', sizeof(longest) - 1);
	longest[0] = '@';
	longest[sizeof(longest) - 1] = 0;
	assert_false(join_segment("", &found, &pid));
	assert_false(join_segment("@", &found, &pid));
	assert_false(join_segment("name", &found, &pid));
	assert_false(join_segment("@nobody-listens-here+", &found, &pid));
	assert_false(join_segment(longest, &found, &pid));
}

static void directories_that_are_none_lead_nowhere(void **state)
{
	struct shim_segment found = {0};
	uint32_t pid;
	char longest[200];

	(void)state;
	assert_false(join_directory("", NULL, "p", &found, &pid));
	assert_false(join_directory("relative", NULL, "p", &found, &pid));
	assert_false(join_directory("/", "s", NULL, &found, &pid));
	assert_false(join_directory("/nobody/is/here", NULL, NULL, &found, &pid));
	for (size_t length = 90; length < sizeof(longest); length++) {
		memset(longest, '/', length);
		longest[length] = 0;
		assert_false(join_directory(longest, NULL, NULL, &found, &pid));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_a_header_says_the_places_lie_inside),
		cmocka_unit_test(what_is_too_small_or_another_version_is_none),
		cmocka_unit_test(names_that_are_none_lead_nowhere),
		cmocka_unit_test(directories_that_are_none_lead_nowhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
