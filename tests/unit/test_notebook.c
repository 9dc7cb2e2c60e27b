/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "watch/notebook.h"

enum { SLOTS = 128 };

static void what_was_saved_is_there_for_the_next_agent(void **state)
{
	int fd = notebook_create(SLOTS);
	struct notebook first, second;
	struct notebook_event event = {.from = "live", .to = "dead"};

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(notebook_open(&first, fd), 0);
	assert_int_equal(first.core.event_total, 0);
	first.core.startup = 1;
	notebook_add_event(&first, &event);
	notebook_save(&first);
	notebook_close(&first);
	assert_int_equal(notebook_open(&second, fd), 0);
	assert_int_equal(second.core.startup, 1);
	assert_int_equal(second.core.event_total, 1);
	assert_string_equal(second.core.events[0].to, "dead");
	notebook_close(&second);
	close(fd);
}

/* Killed while writing: one copy is torn, the one before it still checks. */
static void a_torn_copy_costs_one_save(void **state)
{
	int fd = notebook_create(SLOTS);
	struct notebook notebook, next;

	(void)state;
	assert_int_equal(notebook_open(&notebook, fd), 0);
	for (uint32_t i = 1; i <= 7; i++) {
		notebook.core.workers_peak = i;
		notebook_save(&notebook);
	}
	for (size_t at = NOTEBOOK_HEAD_BYTES; at + sizeof(struct notebook_core) < notebook.bytes; at += 4096) {
		struct notebook_core *copy = (void *)(notebook.base + at);

		if (copy->sequence == 7) {
			copy->events[3].from[2] ^= 1;
			break;
		}
	}
	assert_int_equal(notebook_open(&next, fd), 0);
	assert_int_equal(next.core.workers_peak, 6);
	notebook_close(&next);
	notebook_close(&notebook);
	close(fd);
}

static void a_track_checks_only_when_closed(void **state)
{
	struct notebook_track track = {.claim = 5, .stamp = 6};

	(void)state;
	assert_false(notebook_track_is_valid(&track));
	notebook_track_close(&track);
	assert_true(notebook_track_is_valid(&track));
	notebook_track_open(&track);
	assert_false(notebook_track_is_valid(&track));
	track.since = 77;
	notebook_track_close(&track);
	assert_true(notebook_track_is_valid(&track));
	track.home.sites[1].returns++;
	assert_false(notebook_track_is_valid(&track));
}

static void random_bytes_are_an_empty_notebook(void **state)
{
	int fd = notebook_create(SLOTS);
	struct notebook notebook, next;

	(void)state;
	srand(3);
	assert_int_equal(notebook_open(&notebook, fd), 0);
	for (size_t i = NOTEBOOK_HEAD_BYTES; i < notebook.bytes; i++)
		notebook.base[i] = (unsigned char)rand();
	assert_int_equal(notebook_open(&next, fd), 0);
	assert_int_equal(next.core.event_total, 0);
	for (unsigned i = 0; i < SLOTS; i++)
		assert_false(notebook_track_is_valid(&next.tracks[i]));
	notebook_close(&next);
	notebook_close(&notebook);
	close(fd);
}

/* Whoever may write there (root, the agent's user) can make it forget, not keep it from starting. */
static void a_first_page_written_over_begins_anew(void **state)
{
	static const struct {
		size_t at;
		uint32_t value;
	} words[] = {
		{offsetof(struct notebook_head, magic), 7},
		{offsetof(struct notebook_head, version), NOTEBOOK_VERSION + 1},
		{offsetof(struct notebook_head, slots), 0},
		{offsetof(struct notebook_head, slots), SLOTS - 1},
		{offsetof(struct notebook_head, slots), UINT32_MAX},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		int fd = notebook_create(SLOTS);
		struct notebook notebook;

		assert_int_equal(notebook_open(&notebook, fd), 0);
		notebook.core.startup = 1;
		notebook_save(&notebook);
		notebook_close(&notebook);
		assert_int_equal(pwrite(fd, &words[i].value, sizeof(words[i].value), (off_t)words[i].at), sizeof(words[i].value));
		assert_int_equal(notebook_open(&notebook, fd), 0);
		assert_int_equal(notebook.slots, SLOTS);
		assert_int_equal(notebook.head->slots, SLOTS);
		assert_int_equal(notebook.core.startup, 0); /* another version's words mean other things */
		notebook_close(&notebook);
		close(fd);
	}
}

static void a_file_of_another_size_is_refused(void **state)
{
	struct notebook notebook;
	FILE *file = tmpfile();

	(void)state;
	assert_int_equal(ftruncate(fileno(file), (off_t)notebook_bytes(SLOTS) + 4096), 0);
	assert_int_equal(notebook_open(&notebook, fileno(file)), -EPROTO);
	(void)fclose(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_saved_is_there_for_the_next_agent),
		cmocka_unit_test(a_torn_copy_costs_one_save),
		cmocka_unit_test(a_track_checks_only_when_closed),
		cmocka_unit_test(random_bytes_are_an_empty_notebook),
		cmocka_unit_test(a_first_page_written_over_begins_anew),
		cmocka_unit_test(a_file_of_another_size_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
