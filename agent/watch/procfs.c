/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/procfs.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

ssize_t proc_read(const char *path, char *buffer, size_t bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t have = 0;
	ssize_t got;

	if (fd < 0)
		return -errno;
	while (have < bytes - 1 && (got = read(fd, buffer + have, bytes - 1 - have)) != 0) {
		if (got < 0 && errno != EINTR) {
			got = -errno;
			close(fd);
			return got;
		}
		have += got > 0 ? (size_t)got : 0;
	}
	close(fd);
	buffer[have] = '\0';
	return (ssize_t)have;
}

/* Numbers behind the state letter, by their field number in proc(5). */
enum { FIELD_PARENT = 4, FIELD_SESSION = 6, FIELD_UTIME = 14, FIELD_STIME = 15, FIELD_THREADS = 20, FIELD_START = 22, FIELD_RSS = 24 };

static void take_field(struct proc_stat *out, unsigned field, uint64_t value)
{
	switch (field) {
	case FIELD_PARENT: out->parent = (pid_t)value; break;
	case FIELD_SESSION: out->session = (pid_t)value; break;
	case FIELD_UTIME:
	case FIELD_STIME: out->cpu_ticks += value; break;
	case FIELD_THREADS: out->threads = (uint32_t)value; break;
	case FIELD_START: out->start_ns = value * (uint64_t)(NS_PER_SECOND / sysconf(_SC_CLK_TCK)); break;
	case FIELD_RSS: out->resident_bytes = value * (uint64_t)sysconf(_SC_PAGESIZE); break;
	default: break;
	}
}

int proc_stat_parse(char *line, struct proc_stat *out)
{
	char *open = strchr(line, '('), *close = strrchr(line, ')'); /* a name may hold both */
	unsigned field = FIELD_PARENT;
	char *rest;

	if (!open || !close || close < open || close[1] != ' ' || !close[2])
		return -EPROTO;
	*out = (struct proc_stat){.state = close[2]};
	*close = '\0';
	(void)snprintf(out->name, sizeof(out->name), "%s", open + 1);
	for (rest = close + 3; field <= FIELD_RSS; field++) {
		char *end;
		uint64_t value = strtoull(rest, &end, 10);

		if (end == rest)
			return -EPROTO;
		take_field(out, field, value);
		rest = end;
	}
	return 0;
}

static int read_stat(const char *path, struct proc_stat *out)
{
	char line[1024];
	ssize_t got = proc_read(path, line, sizeof(line));

	return got < 0 ? (int)got : proc_stat_parse(line, out);
}

int proc_process_stat(pid_t pid, struct proc_stat *out)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	return read_stat(path, out);
}

int proc_thread_stat(pid_t pid, pid_t tid, struct proc_stat *out)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	return read_stat(path, out);
}

/* The number `skip` words behind "KEY:" in a status file, or the last one with skip < 0; -1: no such line. */
static long status_number(const char *text, const char *key, int skip)
{
	const char *at = strstr(text, key);
	long value = -1;

	if (!at)
		return -1;
	at += strlen(key);
	for (int word = 0; *at && *at != '\n'; word++) {
		char *end;

		value = strtol(at, &end, 10);
		if (end == at || word == skip)
			break;
		at = end;
		while (*at == '\t' || *at == ' ')
			at++;
	}
	return value;
}

int proc_ids_read(pid_t pid, struct proc_ids *out)
{
	char path[64], text[4096];
	ssize_t got;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", pid);
	got = proc_read(path, text, sizeof(text));
	if (got < 0)
		return (int)got;
	out->uid = (uid_t)status_number(text, "\nUid:", 1);
	out->gid = (gid_t)status_number(text, "\nGid:", 1);
	out->tracer = (pid_t)status_number(text, "\nTracerPid:", 0);
	out->ns_pid = (pid_t)status_number(text, "\nNSpid:", -1);
	if (out->ns_pid <= 0)
		out->ns_pid = pid;
	return 0;
}

int proc_caught_signals(pid_t pid, uint64_t *out)
{
	static const char key[] = "\nSigCgt:";
	char path[64], text[4096];
	const char *at;
	ssize_t got;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", pid);
	got = proc_read(path, text, sizeof(text));
	if (got < 0)
		return (int)got;
	at = strstr(text, key);
	if (!at)
		return -EPROTO;
	*out = strtoull(at + sizeof(key) - 1, NULL, 16);
	return 0;
}

int proc_thread_name(pid_t pid, pid_t tid, char name[16])
{
	char path[64], text[32];
	ssize_t got;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", pid, tid);
	got = proc_read(path, text, sizeof(text));
	if (got < 0)
		return (int)got;
	if (got > 0 && text[got - 1] == '\n') /* the kernel's; a name may have its own */
		text[got - 1] = '\0';
	(void)snprintf(name, 16, "%.15s", text);
	return 0;
}

static pid_t number_of(const char *name)
{
	char *end;
	long value = strtol(name, &end, 10);

	return isdigit((unsigned char)name[0]) && !*end && value > 0 && value <= INT32_MAX ? (pid_t)value : 0;
}

static int each_number(const char *path, void (*found)(pid_t number, uint64_t inode, void *context), void *context)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		pid_t number = number_of(entry->d_name);

		if (number)
			found(number, entry->d_ino, context);
	}
	closedir(dir);
	return 0;
}

int proc_each_known(void (*found)(pid_t pid, uint64_t inode, void *context), void *context)
{
	return each_number("/proc", found, context);
}

struct by_pid {
	void (*found)(pid_t pid, void *context);
	void *context;
};

static void pass_pid(pid_t pid, uint64_t inode, void *context)
{
	const struct by_pid *to = context;

	(void)inode;
	to->found(pid, to->context);
}

int proc_each(void (*found)(pid_t pid, void *context), void *context)
{
	return each_number("/proc", pass_pid, &(struct by_pid){found, context});
}

struct task_list {
	pid_t *tids;
	unsigned count, max;
};

static void take_task(pid_t tid, uint64_t inode, void *context)
{
	struct task_list *list = context;

	(void)inode;
	if (list->count < list->max)
		list->tids[list->count++] = tid;
}

int proc_tasks(pid_t pid, pid_t *tids, unsigned max)
{
	struct task_list list = {.tids = tids, .max = max};
	char path[64];
	int ret;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", pid);
	ret = each_number(path, take_task, &list);
	return ret < 0 ? ret : (int)list.count;
}

/* "cpu  USER NICE SYSTEM IDLE IOWAIT IRQ SOFTIRQ STEAL …" in clock ticks */
uint64_t proc_steal_ns(void)
{
	char text[512], *at = text + 4;

	if (proc_read("/proc/stat", text, sizeof(text)) <= 0 || strncmp(text, "cpu ", 4) != 0)
		return 0;
	for (unsigned field = 0; field < 7; field++)
		(void)strtoull(at, &at, 10);
	return strtoull(at, NULL, 10) * (uint64_t)(NS_PER_SECOND / sysconf(_SC_CLK_TCK));
}

bool proc_open_fds(pid_t pid, uint64_t *open, uint64_t *limit)
{
	static const char key[] = "Max open files";
	char path[64], text[4096];
	const char *at;
	struct stat status;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	if (stat(path, &status) < 0 || status.st_size == 0)
		return false;
	(void)snprintf(path, sizeof(path), "/proc/%d/limits", pid);
	at = proc_read(path, text, sizeof(text)) > 0 ? strstr(text, key) : NULL;
	*open = (uint64_t)status.st_size;
	*limit = at ? strtoull(at + sizeof(key) - 1, NULL, 10) : 0;
	return *limit > 0;
}
