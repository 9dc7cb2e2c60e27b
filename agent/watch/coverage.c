/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/coverage.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "watch/procfs.h"

enum why { WHY_UNKNOWN, WHY_STATIC, WHY_FOREIGN, WHY_GO, WHY_SECURE, WHY_SCRUBBED, WHY_UNMAPPED, WHY_STOOD_ASIDE, WHY_UNREADABLE, WHY_COUNT };

/* What is told of each cause, and what to do. */
static const char *const texts[WHY_COUNT] = {
	[WHY_UNKNOWN] = "it has not joined; the cause could not be found",
	[WHY_STATIC] = "its program is statically linked (Go, busybox-static …), so no library can be preloaded; "
		       "it is watched from outside only",
	[WHY_GO] = "it is a Go program, whose runtime makes its own system calls instead of libc's; it is watched from outside only",
	[WHY_FOREIGN] = "its program is for another machine type or word size than the shim; install the shim built for it",
	[WHY_SECURE] = "it runs setuid, setgid, with file capabilities or after a domain transition, so the loader drops "
		       "LD_PRELOAD; start it under its user instead, or allow noatsecure",
	[WHY_SCRUBBED] = "its parent scrubbed the environment (env -i, sudo, sshd …); keep LD_PRELOAD and LIFESIGN_SEGMENT",
	[WHY_UNMAPPED] = "LD_PRELOAD is set but the shim is not loaded: its libc refuses it, or its user cannot read the "
			 "shim's file in its root; check the path and mode of the .so",
	[WHY_STOOD_ASIDE] = "the shim is loaded but stood aside: a seccomp filter, another network namespace, LIFESIGN_DISABLE, "
			    "or no room in the segment (see --slots)",
	[WHY_UNREADABLE] = "it cannot be looked into; give the agent CAP_SYS_PTRACE or its user",
};

#if defined(__x86_64__)
enum { OWN_MACHINE = EM_X86_64 };
#elif defined(__aarch64__)
enum { OWN_MACHINE = EM_AARCH64 };
#else
#error "no shim for this machine type yet"
#endif

/* Go's linker leaves a note of its name in every program, also in one that is linked with libc for cgo. */
static bool has_go_note(int fd, const Elf64_Phdr *segment)
{
	enum { GO_BUILD_ID = 4 };
	char notes[1024];
	ssize_t got = pread(fd, notes, segment->p_filesz < sizeof(notes) ? segment->p_filesz : sizeof(notes), (off_t)segment->p_offset);
	Elf64_Nhdr note;

	for (uint64_t at = 0; got > 0 && at + sizeof(note) + 4 <= (uint64_t)got;) {
		memcpy(&note, notes + at, sizeof(note));
		at += sizeof(note);
		if (note.n_type == GO_BUILD_ID && note.n_namesz == 4 && memcmp(notes + at, "Go\0", 4) == 0)
			return true;
		at += (((uint64_t)note.n_namesz + 3) & ~UINT64_C(3)) + (((uint64_t)note.n_descsz + 3) & ~UINT64_C(3));
	}
	return false;
}

static enum why why_of_segments(int fd, const Elf64_Ehdr *header)
{
	bool loaded = false, go = false;

	for (unsigned i = 0; i < header->e_phnum && i < 64; i++) {
		Elf64_Phdr segment;

		if (pread(fd, &segment, sizeof(segment), (off_t)(header->e_phoff + i * sizeof(segment))) != sizeof(segment))
			return WHY_UNKNOWN; /* cannot tell: another cause will show */
		loaded |= segment.p_type == PT_INTERP;
		go |= segment.p_type == PT_NOTE && has_go_note(fd, &segment);
	}
	if (!loaded)
		return WHY_STATIC;
	return go ? WHY_GO : WHY_UNKNOWN;
}

static enum why why_of_program(const struct process_row *row)
{
	char path[64];
	Elf64_Ehdr header;
	enum why why = WHY_UNKNOWN;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/exe", row->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return errno == EACCES || errno == EPERM ? WHY_UNREADABLE : WHY_UNKNOWN;
	if (pread(fd, &header, sizeof(header), 0) == sizeof(header) && memcmp(header.e_ident, ELFMAG, SELFMAG) == 0) {
		if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != OWN_MACHINE)
			why = WHY_FOREIGN;
		else
			why = why_of_segments(fd, &header);
	}
	close(fd);
	return why;
}

static bool runs_secure(const struct reach_target *target)
{
	Elf64_auxv_t entries[64];
	ssize_t got = reach_file(target, "auxv", entries, sizeof(entries));

	for (size_t i = 0; got > 0 && i < (size_t)got / sizeof(entries[0]); i++) {
		if (entries[i].a_type == AT_SECURE)
			return entries[i].a_un.a_val != 0;
	}
	return false;
}

/* 1 = `text` is in the file, 0 = it is not, else -errno. */
static int file_holds(const struct reach_target *target, const char *name, const char *text)
{
	static char buffer[REACH_BYTES]; /* owner: the sampler */
	ssize_t got = reach_file(target, name, buffer, sizeof(buffer));

	return got < 0 ? (int)got : memmem(buffer, (size_t)got, text, strlen(text)) != NULL;
}

static enum why why_of_environment(const struct reach_target *target)
{
	int mapped = file_holds(target, "maps", "liblifesign"), set = file_holds(target, "environ", "LIFESIGN_SEGMENT=@");

	if (mapped < 0 && set < 0)
		return mapped == -EPERM || mapped == -EACCES ? WHY_UNREADABLE : WHY_UNKNOWN;
	if (mapped == 1)
		return WHY_STOOD_ASIDE;
	return set == 1 ? WHY_UNMAPPED : WHY_SCRUBBED;
}

static enum why find_why(const struct process_row *row)
{
	struct reach_target target = tree_target(row);
	enum why why = why_of_program(row);

	if (why != WHY_UNKNOWN && why != WHY_UNREADABLE)
		return why;
	if (runs_secure(&target))
		return WHY_SECURE;
	return why_of_environment(&target);
}

/* A program that has joined and yet never calls libc to wait; asked once for each program that joins. */
static bool waits_past_libc(struct process_row *row)
{
	if (row->asked_stamp != row->entry_stamp) {
		row->waits_past_libc = why_of_program(row) == WHY_GO;
		row->asked_stamp = row->entry_stamp;
	}
	return row->waits_past_libc;
}

/* The entry stands for the program that runs now if the word it points at still holds its stamp: an exec wipes
 * that, though pid and start time stay. Where memory cannot be read the entry has to be believed. */
static bool is_covered(struct process_row *row)
{
	struct reach_target target = tree_target(row);
	uint64_t stamp = 0;

	if (!row->entered || waits_past_libc(row))
		return false;
	if (!row->readable)
		return true;
	return reach_memory(&target, row->entry_witness, &stamp, sizeof(stamp)) == sizeof(stamp) && stamp == row->entry_stamp;
}

bool coverage_entry_is_true(const struct process_record *record)
{
	struct proc_ids ids;
	uint64_t stamp = 0;

	if (record->pid <= 0 || proc_ids_read(record->pid, &ids) < 0)
		return false;
	return reach_memory(&(struct reach_target){record->pid, ids.uid, ids.gid}, record->witness, &stamp, sizeof(stamp)) ==
		       sizeof(stamp) &&
	       stamp == record->stamp;
}

static void find_readable(struct process_row *row)
{
	struct reach_target target = tree_target(row);
	char byte[64];

	row->readable = reach_file(&target, "auxv", byte, sizeof(byte)) > 0;
	row->readable_known = true;
}

/* The log is for a person: each program and cause once, and not the thousandth of them. */
static void tell(struct process_row *row)
{
	static char told[32][TREE_EXE + 8]; /* owner: the sampler */
	static unsigned count;
	char key[TREE_EXE + 8];

	row->coverage_told = true;
	(void)snprintf(key, sizeof(key), "%.60s %.3s", row->exe, row->why);
	for (unsigned i = 0; i < count; i++) {
		if (strcmp(told[i], key) == 0)
			return;
	}
	if (count == sizeof(told) / sizeof(told[0]))
		return;
	memcpy(told[count++], key, sizeof(key));
	log_event(LOG_LEVEL_WARN, "coverage", "process %d (%s) is not covered by the shim: %s", row->pid, row->exe, row->why);
}

static void settle_uncovered(struct process_row *row)
{
	if (row->why[0] == '\0')
		(void)snprintf(row->why, sizeof(row->why), "%s", texts[find_why(row)]);
	row->coverage = COVERAGE_OUTSIDE;
	row->coverage_known = true;
	if (!row->coverage_told)
		tell(row);
}

/* A forked child joins with its first wrapped call; until then it runs the program, and the shim, of its parent. */
static bool is_covered_by_birth(const struct process_row *row, const struct process_row *parent)
{
	return !row->entered && parent && parent->coverage == COVERAGE_SHIM && row->image && row->image == parent->image;
}

bool coverage_refresh(struct process_row *row, const struct process_row *parent, int64_t now)
{
	if (!row->readable_known)
		find_readable(row);
	if (is_covered(row) || is_covered_by_birth(row, parent)) {
		row->coverage = row->readable ? COVERAGE_SHIM : COVERAGE_SLOTS;
		row->coverage_known = true;
		row->uncovered = 0;
		row->why[0] = '\0';
		return true;
	}
	if (!row->coverage_known)
		row->coverage = COVERAGE_NONE;
	if (!row->uncovered)
		row->uncovered = now;
	if (now - row->uncovered < COVERAGE_GRACE_NS)
		return false; /* in the middle of a fork or an exec */
	settle_uncovered(row);
	return true;
}
