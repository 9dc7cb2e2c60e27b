/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/tree.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "watch/procfs.h"

/* One pass over /proc: every process of this pid namespace with its parent. */
struct census_row {
	pid_t pid, parent;
	uint64_t start_ns;
	char name[16];
	char state;
	bool member;
};

struct census {
	struct census_row *rows;
	unsigned count, room;
};

static struct census census; /* owner: the sampler; kept between passes */

static void take_process(pid_t pid, void *context)
{
	struct proc_stat stat;

	(void)context;
	if (census.count == census.room) {
		unsigned room = census.room ? census.room * 2 : 256;
		struct census_row *rows = realloc(census.rows, room * sizeof(*rows));

		if (!rows)
			return;
		census.rows = rows;
		census.room = room;
	}
	if (proc_thread_stat(pid, pid, &stat) < 0)
		return;
	census.rows[census.count] = (struct census_row){
		.pid = pid, .parent = stat.parent, .start_ns = stat.start_ns, .state = stat.state};
	memcpy(census.rows[census.count++].name, stat.name, sizeof(stat.name));
}

static bool is_ours(const struct tree_scope *scope, pid_t pid)
{
	return pid == scope->agent || (scope->prober && pid == scope->prober);
}

/* /proc lists pids in rising order and children mostly follow parents, so few passes are needed. */
static void mark_members(const struct tree_scope *scope)
{
	for (bool again = true; again;) {
		again = false;
		for (unsigned i = 0; i < census.count; i++) {
			struct census_row *row = &census.rows[i];
			bool member = row->parent == scope->supervisor;

			if (row->member || is_ours(scope, row->pid))
				continue;
			for (unsigned j = 0; j < census.count && !member; j++)
				member = census.rows[j].member && census.rows[j].pid == row->parent;
			row->member = member;
			again = again || member;
		}
	}
}

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

/* The program of a process may change under the same pid and start time. */
static void refresh_row(struct process_row *row, const struct census_row *found)
{
	struct proc_stat stat;
	struct proc_ids ids;

	row->parent = found->parent;
	row->state = found->state;
	memcpy(row->name, found->name, sizeof(row->name));
	if (proc_ids_read(row->pid, &ids) == 0) {
		row->uid = ids.uid;
		row->gid = ids.gid;
		row->ns_pid = ids.ns_pid;
	}
	read_exe(row);
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

static void take_member(struct tree *tree, const struct census_row *found, int64_t now)
{
	struct process_row *row = find_identity(tree, found);

	if (!row && tree->count == TREE_PROCESSES) {
		tree->full = true;
		return;
	}
	if (!row) {
		row = &tree->rows[tree->count++];
		*row = (struct process_row){.pid = found->pid, .start_ns = found->start_ns, .seen_ns = now};
	}
	refresh_row(row, found);
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

int tree_start(struct tree *tree)
{
	*tree = (struct tree){.rows = calloc(TREE_PROCESSES, sizeof(struct process_row))};
	return tree->rows ? 0 : -ENOMEM;
}

void tree_refresh(struct tree *tree, const struct tree_scope *scope, int64_t now)
{
	census.count = 0;
	if (proc_each(take_process, NULL) < 0)
		return; /* no /proc: what was known stays */
	mark_members(scope);
	for (unsigned i = 0; i < tree->count; i++)
		tree->rows[i].keep = false;
	for (unsigned i = 0; i < census.count; i++) {
		if (census.rows[i].member && census.rows[i].state != 'Z' && census.rows[i].state != 'X')
			take_member(tree, &census.rows[i], now);
	}
	drop_gone(tree);
	put_main_first(tree, scope->main);
	give_roles(tree, scope->main);
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
