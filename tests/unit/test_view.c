/* SPDX-License-Identifier: Apache-2.0 */
/* Which segments an agent reads, and that none makes it read elsewhere. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "supervise/segment.h"
#include "watch/view.h"

enum { SLOTS = 64, PROCESSES = 64, SLOT_TABLE = SEGMENT_HEADER_BYTES + PROCESSES * SEGMENT_PROCESS_BYTES };

#define FIELD(name) offsetof(struct segment_header, name), sizeof(((struct segment_header *)0)->name)

/* One word of a whole header is replaced. */
static const struct wrong {
	const char *what;
	size_t at, bytes;
	uint64_t value;
} wrongs[] = {
	{"no magic", FIELD(magic), 0},
	{"another magic", FIELD(magic), SEGMENT_MAGIC + 1},
	{"a later major version", FIELD(abi_major), SEGMENT_ABI_MAJOR + 1},
	{"an earlier major version", FIELD(abi_major), 0},
	{"a header that is too small", FIELD(header_bytes), 64},
	{"a header that covers the tables", FIELD(header_bytes), SEGMENT_HEADER_BYTES + 128},
	{"a header larger than the file", FIELD(header_bytes), UINT32_MAX},
	{"entries too small", FIELD(process_bytes), 64},
	{"entries of no size", FIELD(process_bytes), 0},
	{"entries of an odd size", FIELD(process_bytes), 129},
	{"entries that do not fit", FIELD(process_bytes), 4096},
	{"entries of any size", FIELD(process_bytes), UINT32_MAX},
	{"no entries", FIELD(process_count), 0},
	{"entries no power of two", FIELD(process_count), 63},
	{"entries that run into the slots", FIELD(process_count), 128},
	{"entries beyond any limit", FIELD(process_count), UINT32_C(1) << 31},
	{"entries in the header", FIELD(process_offset), 0},
	{"entries not aligned", FIELD(process_offset), SEGMENT_HEADER_BYTES + 4},
	{"entries over the slots", FIELD(process_offset), SLOT_TABLE},
	{"entries at the end", FIELD(process_offset), SLOT_TABLE + SLOTS * SEGMENT_SLOT_BYTES},
	{"entries beyond the end", FIELD(process_offset), UINT64_C(1) << 40},
	{"entries that wrap around", FIELD(process_offset), UINT64_MAX - 7},
	{"slots too small", FIELD(slot_bytes), 120},
	{"slots of no size", FIELD(slot_bytes), 0},
	{"slots of an odd size", FIELD(slot_bytes), 132},
	{"slots that do not fit", FIELD(slot_bytes), 136},
	{"no slots", FIELD(slot_count), 0},
	{"slots no power of two", FIELD(slot_count), 48},
	{"more slots than there is room for", FIELD(slot_count), 128},
	{"slots beyond any limit", FIELD(slot_count), UINT32_C(1) << 31},
	{"slots in the header", FIELD(slot_offset), 128},
	{"slots over the entries", FIELD(slot_offset), SEGMENT_HEADER_BYTES},
	{"slots that end over the entries", FIELD(slot_offset), SLOT_TABLE - 8},
	{"slots not aligned", FIELD(slot_offset), SLOT_TABLE + 1},
	{"slots past the end by one", FIELD(slot_offset), SLOT_TABLE + 8},
	{"slots that wrap around", FIELD(slot_offset), UINT64_MAX - SLOTS * SEGMENT_SLOT_BYTES + 1},
	{"a size beyond the file", FIELD(segment_bytes), SLOT_TABLE + SLOTS * SEGMENT_SLOT_BYTES + 1},
	{"a size of anything", FIELD(segment_bytes), UINT64_MAX},
	{"a size that its tables exceed", FIELD(segment_bytes), SLOT_TABLE},
	{"no size", FIELD(segment_bytes), 0},
};

static int set_up(void **state)
{
	static struct segment segment;

	*state = &segment;
	return segment_make(&segment, SLOTS);
}

static int tear_down(void **state)
{
	segment_drop(*state);
	return 0;
}

static void what_the_supervisor_makes_is_read(void **state)
{
	struct segment *segment = *state;
	struct slot_record slot;
	struct process_record process;
	struct view view;

	assert_int_equal(view_open(&view, segment->fd), 0);
	assert_int_equal(view.slot_count, SLOTS);
	assert_false(view_slot(&view, 3, &slot));
	segment->slots[3].claim = UINT64_C(9) << 32 | 77;
	segment->slots[3].tid = 78;
	memset(segment->slots[3].name, 'x', sizeof(segment->slots[3].name));
	segment->processes[5].claim = 77;
	assert_true(view_slot(&view, 3, &slot));
	assert_int_equal(slot.pid, 77);
	assert_int_equal(slot.tid, 78);
	assert_int_equal(strlen(slot.name), SEGMENT_NAME_BYTES - 1); /* ended, though nobody wrote an end */
	assert_false(slot.torn);
	assert_true(view_process(&view, 5, &process));
	assert_int_equal(process.pid, 77);
	assert_true(view_slot(&view, SLOTS * 7 + 3, &slot)); /* any index lands in the table */
	assert_true(view_process(&view, UINT32_MAX - PROCESSES + 6, &process));
	view_close(&view);
}

static void a_header_with_anything_wrong_is_refused(void **state)
{
	struct segment *segment = *state;
	const struct segment_header whole = *segment->header;

	for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
		struct view view;
		int ret;

		memcpy((char *)segment->header + wrongs[i].at, &wrongs[i].value, wrongs[i].bytes);
		ret = view_open(&view, segment->fd);
		*segment->header = whole;
		if (ret != -EPROTO || view.base)
			fail_msg("%s: %d", wrongs[i].what, ret);
	}
}

/* Once it is open, what the header says counts no more. */
static void a_header_that_changes_later_moves_nothing(void **state)
{
	struct segment *segment = *state;
	struct slot_record slot;
	struct segment_counters counters;
	const struct segment_header whole = *segment->header;
	struct view view;

	assert_int_equal(view_open(&view, segment->fd), 0);
	segment->slots[SLOTS - 1].claim = 5;
	memset(segment->header, 0xff, sizeof(*segment->header));
	assert_true(view_slot(&view, SLOTS - 1, &slot));
	view_counters(&view, &counters);
	assert_true(counters.started == UINT64_MAX);
	view_close(&view);
	assert_int_equal(view_open(&view, segment->fd), -EPROTO);
	assert_int_equal(view_open_own(&view, segment->fd, SLOTS * 2), -EPROTO);
	assert_int_equal(view_open_own(&view, segment->fd, SLOTS), 0); /* the agent of this build knows where all is */
	assert_true(view_slot(&view, SLOTS - 1, &slot));
	assert_int_equal(slot.claim, 5);
	view_close(&view);
	segment_keep_geometry(segment);
	assert_int_equal(view_open(&view, segment->fd), 0); /* the supervisor mends what it made */
	assert_memory_equal(segment->header, &whole, offsetof(struct segment_header, boot_minus_mono));
	assert_int_equal(segment->header->supervisor, whole.supervisor); /* by these two a shim knows it */
	view_close(&view);
}

static int memfd(unsigned flags, off_t bytes, int seals)
{
	int fd = memfd_create("test", flags);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, bytes), 0);
	if (flags & MFD_ALLOW_SEALING)
		assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

/* A file that can end under the agent's feet would kill it. */
static void only_a_sealed_memfd_is_mapped(void **state)
{
	struct segment *segment = *state;
	FILE *file = tmpfile();
	struct {
		int fd, ret;
	} const cases[] = {
		{memfd(0, (off_t)segment->bytes, 0), -EPROTO},
		{memfd(MFD_ALLOW_SEALING, (off_t)segment->bytes, F_SEAL_GROW), -EPROTO},
		{memfd(MFD_ALLOW_SEALING, 0, F_SEAL_SHRINK), -EPROTO},
		{memfd(MFD_ALLOW_SEALING, SEGMENT_HEADER_BYTES - 1, F_SEAL_SHRINK), -EPROTO},
		{memfd(MFD_ALLOW_SEALING, SEGMENT_HEADER_BYTES, F_SEAL_SHRINK), -EPROTO},
		{dup(fileno(file)), -EINVAL},
		{-1, -EBADF},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct view view = {0};

		if (cases[i].fd >= 0) /* a whole header, as far as it goes: only the file is wrong */
			(void)!pwrite(cases[i].fd, segment->header, i < 2 || i > 3 ? sizeof(*segment->header) : 0, 0);
		if (view_open(&view, cases[i].fd) != cases[i].ret)
			fail_msg("case %zu", i);
		close(cases[i].fd);
	}
	(void)fclose(file);
}

static bool stop; /* atomic: ends the writer below */

static void *keep_writing(void *slot)
{
	for (uint64_t i = 1; !__atomic_load_n(&stop, __ATOMIC_RELAXED); i++) {
		struct segment_slot *mine = slot;

		__atomic_store_n(&mine->object, i, __ATOMIC_RELAXED);
		__atomic_store_n(&mine->entries, i, __ATOMIC_RELAXED);
		__atomic_store_n(&mine->call, i, __ATOMIC_RELEASE);
	}
	return NULL;
}

/* G4: said of the record, so that nobody takes the object of one call for that of another. */
static void a_record_that_changed_under_the_copy_is_torn(void **state)
{
	struct segment *segment = *state;
	unsigned torn = 0, whole = 0;
	struct slot_record record;
	struct view view;
	pthread_t writer;

	segment->slots[0].claim = 1;
	assert_int_equal(view_open(&view, segment->fd), 0);
	assert_int_equal(pthread_create(&writer, NULL, keep_writing, &segment->slots[0]), 0);
	for (unsigned i = 0; i < 400000000 && torn < 3; i++) { /* on one CPU only a switch in the middle tears */
		assert_true(view_slot(&view, 0, &record));
		torn += record.torn;
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	assert_int_equal(pthread_join(writer, NULL), 0);
	view_slot_again(&view, 0, &record);
	whole = !record.torn && record.call == record.entries && record.object == record.entries;
	view_close(&view);
	assert_true(torn >= 3);
	assert_true(whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_the_supervisor_makes_is_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_header_with_anything_wrong_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_header_that_changes_later_moves_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(only_a_sealed_memfd_is_mapped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_record_that_changed_under_the_copy_is_torn, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
