/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/tree.h"

#include <elf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "watch/census.h"
#include "watch/procfs.h"

/* Ids, program and memory of a process change rarely once it has settled. */
#define YOUNG_NS (10 * NS_PER_SECOND)
#define LOOK_EVERY_NS (5 * NS_PER_SECOND)

/* The auxiliary vector is full of addresses that the kernel draws anew at each exec. */
static uint64_t hash_image(const Elf64_auxv_t *entries, size_t count)
{
	uint64_t sum = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < count; i++)
		sum = (sum ^ entries[i].a_type ^ entries[i].a_un.a_val << 8) * UINT64_C(0x100000001b3);
	return sum | 1; /* never the mark of an unreadable one */
}

/* The name given to exec is what people know it by: /usr/bin/redis-server is a link to redis-check-rdb. */
static bool read_exec_name(const struct process_row *row, const Elf64_auxv_t *entries, size_t count, char *path, size_t bytes)
{
	struct reach_target target = tree_target(row);

	for (size_t i = 0; i < count; i++) {
		ssize_t got;

		if (entries[i].a_type != AT_EXECFN)
			continue;
		got = reach_memory(&target, entries[i].a_un.a_val, path, bytes - 1);
		path[got > 0 ? got : 0] = '\0';
		return path[0] == '/' || path[0] == '.';
	}
	return false;
}

static void keep_base_name(struct process_row *row, const char *path)
{
	const char *base = strrchr(path, '/');

	(void)snprintf(row->exe, sizeof(row->exe), "%s", base ? base + 1 : path);
}

/* Once for each program that a process runs. */
static void read_exe(struct process_row *row)
{
	struct reach_target target = tree_target(row);
	Elf64_auxv_t entries[64];
	ssize_t got = reach_file(&target, "auxv", entries, sizeof(entries));
	size_t count = got > 0 ? (size_t)got / sizeof(entries[0]) : 0;
	uint64_t image = count ? hash_image(entries, count) : 0;
	char path[1024];

	if (row->exe[0] && row->image == image)
		return;
	row->image = image;
	if (read_exec_name(row, entries, count, path, sizeof(path)) || reach_link(&target, "exe", path, sizeof(path)) > 0)
		keep_base_name(row, path);
	else
		keep_base_name(row, row->name);
}

/* Our own is 0, so that most rows say the same whatever its number is. */
static uint64_t read_net_ns(const struct process_row *row)
{
	static uint64_t own; /* owner: the sampler */
	struct reach_target target = tree_target(row);
	uint64_t inode = 0;
	char text[64];
	struct stat status;

	if (!own && stat("/proc/self/ns/net", &status) == 0)
		own = status.st_ino;
	if (reach_link(&target, "ns/net", text, sizeof(text)) > 0)
		(void)sscanf(text, "net:[%" SCNu64 "]", &inode);
	return inode == own ? 0 : inode;
}

static void look_closely(struct process_row *row, int64_t now)
{
	struct proc_ids ids;

	if (proc_ids_read(row->pid, &ids) == 0) {
		row->uid = ids.uid;
		row->gid = ids.gid;
		row->ns_pid = ids.ns_pid;
	}
	read_exe(row);
	row->net_ns = read_net_ns(row);
	row->looked = now;
}

/* The program of a process may change under the same pid and start time. */
static void refresh_row(struct process_row *row, const struct census_row *found, int64_t now)
{
	int64_t every = now - row->seen_ns < YOUNG_NS ? 0 : LOOK_EVERY_NS;
	struct proc_stat stat;

	row->parent = found->parent;
	row->state = found->state;
	memcpy(row->name, found->name, sizeof(row->name));
	if (!row->looked || now - row->looked >= every)
		look_closely(row, now);
	if (proc_process_stat(row->pid, &stat) == 0) {
		row->cpu_ticks = stat.cpu_ticks;
		row->resident_bytes = stat.resident_bytes;
		row->thread_count = stat.threads;
	}
}

static struct process_row *find_identity(const struct tree *tree, const struct census_row *found)
{
	struct process_row *row = tree_find(tree, found->pid);

	return row && row->start_ns == found->start_ns ? row : NULL;
}

static struct process_row *new_row(struct tree *tree)
{
	if (tree->count == tree->room && tree->room < TREE_PROCESSES) {
		unsigned room = tree->room ? tree->room * 2 : 8;
		struct process_row *rows = realloc(tree->rows, room * sizeof(*rows));

		if (rows) {
			tree->rows = rows;
			tree->room = room;
		}
	}
	tree->full = tree->count == tree->room;
	return tree->full ? NULL : &tree->rows[tree->count++];
}

static void take_member(struct tree *tree, const struct census_row *found, int64_t now)
{
	struct process_row *row = find_identity(tree, found);

	if (!row) {
		row = new_row(tree);
		if (!row)
			return;
		*row = (struct process_row){.pid = found->pid, .start_ns = found->start_ns, .seen_ns = now};
	}
	refresh_row(row, found, now);
	row->keep = true;
}

static void drop_gone(struct tree *tree)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < tree->count; i++) {
		if (!tree->rows[i].keep) {
			tree->retired_cpu_ticks += tree->rows[i].cpu_ticks;
			continue;
		}
		if (kept != i)
			tree->rows[kept] = tree->rows[i];
		kept++;
	}
	tree->count = kept;
}

static void put_main_first(struct tree *tree, pid_t main)
{
	struct process_row *row = main ? tree_find(tree, main) : NULL;

	if (row && row != tree->rows) {
		struct process_row first = tree->rows[0];

		tree->rows[0] = *row;
		*row = first;
	}
}

static void give_roles(struct tree *tree, pid_t main)
{
	for (unsigned i = 0; i < tree->count; i++) {
		struct process_row *row = &tree->rows[i];

		row->role = row->pid == main ? PROCESS_MAIN : row->listens ? PROCESS_WORKER : PROCESS_CHILD;
	}
}

void tree_refresh(struct tree *tree, int32_t owner, pid_t main, int64_t now)
{
	for (unsigned i = 0; i < tree->count; i++)
		tree->rows[i].keep = false;
	for (const struct census_row *found = census_first(owner); found; found = census_next(found)) {
		if (found->state != 'Z' && found->state != 'X')
			take_member(tree, found, now);
	}
	drop_gone(tree);
	put_main_first(tree, main);
	give_roles(tree, main);
}

static void take_entry(struct tree *tree, const struct process_record *record, uint32_t index, const char *name, int64_t now)
{
	const struct census_row found = {.pid = record->pid, .start_ns = record->stamp};
	struct process_row *row = find_identity(tree, &found);

	if (!row) {
		row = new_row(tree);
		if (!row)
			return;
		*row = (struct process_row){.pid = record->pid, .ns_pid = record->pid, .start_ns = record->stamp, .seen_ns = now, .unseen = true};
	}
	row->parent = record->parent;
	row->entered = row->keep = row->readable_known = row->coverage_known = true;
	row->entry_stamp = record->stamp;
	row->entry_index = index;
	row->libc = record->libc;
	row->coverage = COVERAGE_SLOTS;
	(void)snprintf(row->exe, sizeof(row->exe), "%s", name);
	(void)snprintf(row->name, sizeof(row->name), "%.15s", name);
}

/* The first to join is the main process. */
static pid_t oldest(const struct tree *tree)
{
	const struct process_row *row = tree->rows;

	for (unsigned i = 1; i < tree->count; i++) {
		if (tree->rows[i].start_ns < row->start_ns)
			row = &tree->rows[i];
	}
	return tree->count ? row->pid : 0;
}

void tree_refresh_unseen(struct tree *tree, const struct view *view, const char *name, int64_t now)
{
	struct process_record record;

	for (unsigned i = 0; i < tree->count; i++)
		tree->rows[i].keep = false;
	for (uint32_t i = 0; i < view->process_count; i++) {
		if (view_process(view, i, &record) && record.pid > 0)
			take_entry(tree, &record, i, name, now);
	}
	drop_gone(tree);
	put_main_first(tree, oldest(tree));
	give_roles(tree, oldest(tree));
}

void tree_end(struct tree *tree)
{
	free(tree->rows);
	*tree = (struct tree){0};
}

struct process_row *tree_find(const struct tree *tree, pid_t pid)
{
	for (unsigned i = 0; i < tree->count; i++) {
		if (tree->rows[i].pid == pid)
			return &tree->rows[i];
	}
	return NULL;
}

struct reach_target tree_target(const struct process_row *row)
{
	return (struct reach_target){.pid = row->pid, .uid = row->uid, .gid = row->gid};
}
