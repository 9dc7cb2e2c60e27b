/* SPDX-License-Identifier: Apache-2.0 */
/* near_parse() and near_open(): only the memory that was meant is ever opened. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "near.h"

static void names_are_taken_apart(void **state)
{
	static const struct {
		const char *name;
		struct near_place place;
	} rows[] = {
		{"lifesign-segment-12-0123456789abcdef+0.7.1f", {0, 12, 7, 0x1f}},
		{"lifesign-segment-12-0123456789abcdef+3.7.1f", {3, 12, 7, 0x1f}},
		{"lifesign-segment-12-0123456789abcdef+3", {3, 12, -1, 0}},
		{"lifesign-segment-12-0123456789abcdef", {0, 12, -1, 0}},
		{"lifesign-segment-x+1.2.3", {1, -1, 2, 3}},
		{"+.7.1f", {0, -1, 7, 0x1f}},
		{"lifesign-segment-12-0+0..1f", {0, 12, -1, 0x1f}},
		{"lifesign-segment-99999999999999999999999999-0+0.99999999999999999999999.ffffffffffffffffffffffff",
			{0, 0, 0, 0}}, /* numbers that do not fit: whatever they are, no crash and no overflow */
		{"", {0, -1, -1, 0}},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct near_place place;

		near_parse(rows[i].name, &place);
		if (rows[i].place.supervisor == 0)
			continue;
		assert_int_equal(place.filters, rows[i].place.filters);
		assert_int_equal(place.supervisor, rows[i].place.supervisor);
		assert_int_equal(place.fd, rows[i].place.fd);
		assert_true(place.created == rows[i].place.created);
	}
}

static void only_the_memory_of_that_name_is_opened(void **state)
{
	int memory = memfd_create("lifesign", 0), other = memfd_create("lifesign2", 0), pipes[2];
	struct near_place place = {.supervisor = getpid(), .fd = memory, .created = 1};
	long fd;

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	fd = near_open(&place);
	assert_true(fd >= 0);
	close((int)fd);
	place.fd = other;
	assert_true(near_open(&place) < 0);
	place.fd = pipes[0];
	assert_true(near_open(&place) < 0);
	place.fd = 1000;
	assert_true(near_open(&place) < 0);
	place = (struct near_place){.supervisor = getpid(), .fd = memory};
	assert_true(near_open(&place) < 0);
	place = (struct near_place){.supervisor = -1, .fd = memory, .created = 1};
	assert_true(near_open(&place) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_taken_apart),
		cmocka_unit_test(only_the_memory_of_that_name_is_opened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
