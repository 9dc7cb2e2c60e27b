/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/evidence.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "watch/procfs.h"

static ssize_t read_task(pid_t pid, pid_t tid, const char *name, char *text, size_t bytes)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", pid, tid, name);
	return proc_read(path, text, bytes);
}

/* "CPU-ns DELAY-ns TURNS"; kernels without it leave the ticks of `stat`. */
static void read_schedstat(pid_t pid, pid_t tid, struct evidence *out)
{
	char text[128], *end;
	uint64_t cpu;

	if (read_task(pid, tid, "schedstat", text, sizeof(text)) <= 0)
		return;
	cpu = strtoull(text, &end, 10);
	if (end == text)
		return;
	out->cpu_ns = cpu;
	out->delay_ns = strtoull(end, NULL, 10);
}

static uint64_t number_after(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

uint64_t evidence_switches(pid_t pid, pid_t tid)
{
	char text[4096];

	if (read_task(pid, tid, "status", text, sizeof(text)) <= 0)
		return 0;
	return number_after(text, "\nvoluntary_ctxt_switches:") + number_after(text, "\nnonvoluntary_ctxt_switches:");
}

/* "NR 0xA 0xB 0xC 0xD 0xE 0xF 0xSP 0xPC", "-1 0xSP 0xPC" outside of calls, or "running". */
void evidence_parse_syscall(const char *line, struct evidence *out)
{
	char *end;
	long number = strtol(line, &end, 10);

	out->syscall = SYSCALL_NONE;
	if (end == line || number < 0)
		return;
	out->syscall = number;
	for (unsigned i = 0; i < EVIDENCE_ARGUMENTS; i++)
		out->arguments[i] = strtoull(end, &end, 16);
	out->stack = strtoull(end, &end, 16);
}

bool evidence_read_syscall(const struct process_row *row, pid_t tid, struct evidence *out)
{
	struct reach_target target = tree_target(row);
	char name[REACH_NAME], text[256];
	ssize_t got;

	*out = (struct evidence){.syscall = SYSCALL_UNKNOWN};
	(void)snprintf(name, sizeof(name), "task/%d/syscall", tid);
	got = row->readable ? reach_file(&target, name, text, sizeof(text) - 1) : 0;
	if (got <= 0)
		return false;
	text[got] = '\0';
	evidence_parse_syscall(text, out);
	return true;
}

bool evidence_read(const struct process_row *row, pid_t tid, struct evidence *out)
{
	struct proc_stat stat;

	if (row->unseen || !evidence_read_syscall(row, tid, out))
		*out = (struct evidence){.syscall = SYSCALL_UNKNOWN};
	if (row->unseen || proc_thread_stat(row->pid, tid, &stat) < 0)
		return false;
	out->state = stat.state;
	out->cpu_ns = stat.cpu_ticks * (uint64_t)(NS_PER_SECOND / sysconf(_SC_CLK_TCK));
	read_schedstat(row->pid, tid, out);
	out->switches = evidence_switches(row->pid, tid);
	return true;
}

uint64_t evidence_futex(const struct evidence *evidence)
{
	return evidence->syscall == SYS_futex ? evidence->arguments[0] : 0;
}
