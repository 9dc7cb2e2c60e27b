/* SPDX-License-Identifier: Apache-2.0 */
/* Old shim, new agent and new shim, old agent: what a shim of an earlier ABI left is read as it was, and
 * what a later minor version adds disturbs nothing. The recordings: tests/e2e/segments. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "judge/calls.h"
#include "watch/view.h"

enum { THREADS = 64, WIDER = 256 };

struct recording {
	unsigned char *memory;
	size_t bytes;
	size_t thread_count;
	struct {
		unsigned tid, number, timed;
		char call[64];
	} threads[THREADS];
};

static int memfd_of(size_t bytes, unsigned char **memory)
{
	int fd = memfd_create("recorded", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
	*memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(*memory != MAP_FAILED);
	return fd;
}

static void load_line(struct recording *recording, int *fd, const char *line)
{
	unsigned tid, number, timed;
	uint64_t at, value;
	char call[64];

	if (sscanf(line, "bytes %zu", &recording->bytes) == 1) {
		*fd = memfd_of(recording->bytes, &recording->memory);
	} else if (sscanf(line, "thread %u %u %63s %u", &tid, &number, call, &timed) == 4) {
		assert_true(recording->thread_count < THREADS);
		recording->threads[recording->thread_count].tid = tid;
		recording->threads[recording->thread_count].number = number;
		recording->threads[recording->thread_count].timed = timed;
		(void)snprintf(recording->threads[recording->thread_count++].call, sizeof(call), "%s", call);
	} else if (sscanf(line, "word %" SCNx64 " %" SCNx64, &at, &value) == 2) {
		assert_true(recording->memory && at + sizeof(value) <= recording->bytes);
		memcpy(recording->memory + at, &value, sizeof(value));
	}
}

/* The recording as a descriptor to open. */
static int load(struct recording *recording, const char *path)
{
	FILE *file = fopen(path, "r");
	char line[256];
	int fd = -1;

	*recording = (struct recording){0};
	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		load_line(recording, &fd, line);
	(void)fclose(file);
	assert_true(fd >= 0 && recording->thread_count >= 16);
	return fd;
}

static void drop(struct recording *recording, int fd)
{
	munmap(recording->memory, recording->bytes);
	close(fd);
}

static bool find(const struct view *view, unsigned tid, struct slot_record *out)
{
	for (uint32_t i = 0; i < view->slot_count; i++) {
		if (view_slot(view, i, out) && out->tid == (pid_t)tid)
			return true;
	}
	return false;
}

static void expect_threads(const struct view *view, const struct recording *recording)
{
	struct process_record process;
	struct slot_record slot;

	for (size_t i = 0; i < recording->thread_count; i++) {
		if (!find(view, recording->threads[i].tid, &slot))
			fail_msg("no thread %u", recording->threads[i].tid);
		assert_int_equal(slot.call & CALL_OP_MASK, recording->threads[i].number);
		assert_int_equal((slot.call & CALL_TIMED) != 0, recording->threads[i].timed);
		assert_string_equal(call_info(recording->threads[i].number)->name, recording->threads[i].call);
		assert_true(slot.caller && slot.start_routine && slot.entries > slot.base && !slot.torn);
		assert_true(view_process(view, slot.process, &process));
		assert_int_equal(process.pid, slot.pid);
		assert_true(process.stamp && process.stamp <= slot.stamp && process.witness);
	}
}

static void expect_read(int fd, const struct recording *recording)
{
	struct segment_counters counters;
	struct view view;

	assert_int_equal(view_open(&view, fd), 0);
	expect_threads(&view, recording);
	view_counters(&view, &counters);
	assert_true(counters.started >= recording->thread_count && counters.refused == 0);
	view_close(&view);
}

/* Runs a check on each recording. */
static void each(void (*check)(struct recording *, int fd))
{
	struct recording recording;
	glob_t found;

	assert_int_equal(glob(LS_SOURCE "/tests/e2e/segments/*.txt", 0, NULL, &found), 0);
	assert_true(found.gl_pathc > 0);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		int fd = load(&recording, found.gl_pathv[i]);

		check(&recording, fd);
		drop(&recording, fd);
	}
	globfree(&found);
}

static void check_as_it_was(struct recording *recording, int fd)
{
	expect_read(fd, recording);
}

static void every_recorded_segment_is_read_as_it_was(void **state)
{
	(void)state;
	each(check_as_it_was);
}

/* Every reserved byte means something now, and there are flags and operations that nobody here knows. */
static void check_later_minor(struct recording *recording, int fd)
{
	struct segment_header *header = (struct segment_header *)recording->memory;
	struct segment_process *processes = (void *)(recording->memory + header->process_offset);
	struct segment_slot *slots = (void *)(recording->memory + header->slot_offset);
	uint32_t unknown = header->slot_count - 1;
	struct slot_record slot;
	struct view view;

	header->abi_minor = UINT16_MAX;
	memset(&header->reserved0, 0xff, sizeof(header->reserved0));
	memset(header->reserved1, 0xff, sizeof(header->reserved1));
	memset(header->reserved2, 0xff, sizeof(header->reserved2));
	for (uint32_t i = 0; i < header->process_count; i++) {
		memset(processes[i].reserved, 0xff, sizeof(processes[i].reserved));
		processes[i].flags = processes[i].claim ? UINT32_MAX : 0;
	}
	slots[unknown] = slots[0];
	slots[unknown].tid = 4000000;
	slots[unknown].call = CALL_OP_MASK | UINT64_C(0xfff) << 48; /* an operation and flags of tomorrow */
	expect_read(fd, recording);
	assert_int_equal(view_open(&view, fd), 0);
	assert_true(find(&view, 4000000, &slot));
	assert_non_null(call_info((uint32_t)(slot.call & CALL_OP_MASK)));
	view_close(&view);
}

static void what_a_later_minor_version_adds_disturbs_nothing(void **state)
{
	(void)state;
	each(check_later_minor);
}

static void spread(unsigned char *to, const unsigned char *from, uint32_t count, uint32_t bytes)
{
	for (uint32_t i = 0; i < count; i++)
		memcpy(to + (size_t)i * WIDER, from + (size_t)i * bytes, bytes);
}

/* A reader steps by the sizes of the header: entries that have grown at their ends are read, too. */
static void check_wider(struct recording *recording, int old)
{
	struct recording wider = *recording;
	const struct segment_header *header = (const struct segment_header *)recording->memory;
	size_t process_bytes = (size_t)header->process_count * WIDER,
	       slot_bytes = (size_t)header->slot_count * WIDER;
	int fd;

	(void)old;
	wider.bytes = 2 * (size_t)SEGMENT_HEADER_BYTES + process_bytes + slot_bytes;
	fd = memfd_of(wider.bytes, &wider.memory);
	memset(wider.memory, 0xee, wider.bytes);
	memcpy(wider.memory, recording->memory, SEGMENT_HEADER_BYTES);
	struct segment_header *head = (struct segment_header *)wider.memory;

	head->header_bytes = 2 * SEGMENT_HEADER_BYTES;
	head->process_bytes = head->slot_bytes = WIDER;
	head->process_offset = head->header_bytes;
	head->slot_offset = head->process_offset + process_bytes;
	head->segment_bytes = wider.bytes;
	spread(wider.memory + head->process_offset, recording->memory + header->process_offset,
		header->process_count, header->process_bytes);
	spread(wider.memory + head->slot_offset, recording->memory + header->slot_offset, header->slot_count,
		header->slot_bytes);
	expect_read(fd, &wider);
	drop(&wider, fd);
}

static void entries_that_have_grown_are_read(void **state)
{
	(void)state;
	each(check_wider);
}

static void check_other_major(struct recording *recording, int fd)
{
	struct segment_header *header = (struct segment_header *)recording->memory;
	struct view view;

	header->abi_major++;
	assert_int_equal(view_open(&view, fd), -EPROTO);
}

static void another_major_version_is_refused(void **state)
{
	(void)state;
	each(check_other_major);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_recorded_segment_is_read_as_it_was),
		cmocka_unit_test(what_a_later_minor_version_adds_disturbs_nothing),
		cmocka_unit_test(entries_that_have_grown_are_read),
		cmocka_unit_test(another_major_version_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
