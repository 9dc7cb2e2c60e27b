/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/wait_on.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "judge/calls.h"
#include "lifesign/segment.h"
#include "watch/waitset.h"

/* How many descriptors of how many processes are looked through for the other end of a pipe. */
enum { PIPE_PROCESSES = 64, PIPE_DESCRIPTORS = 1024 };

/* ---- one descriptor */

static bool sleeps_in(const struct wait_on_look *look, const char *const *functions)
{
	struct reach_target target = tree_target(look->row);
	char name[REACH_NAME], text[64];
	ssize_t got;

	(void)snprintf(name, sizeof(name), "task/%d/wchan", look->record->tid);
	got = reach_file(&target, name, text, sizeof(text) - 1);
	text[got > 0 ? got : 0] = '\0';
	for (; *functions; functions++) {
		if (strncmp(text, *functions, strlen(*functions)) == 0)
			return true;
	}
	return false;
}

/* Kernel functions in which a thread waits for the other end of a FIFO: to open it, to write, to read. */
static const char *const fifo_waits[] = {"wait_for_partner", "pipe_", "anon_pipe_", "fifo_", NULL};

enum { ENDS_UNKNOWN = -1 };

/* O_RDONLY, O_WRONLY or O_RDWR. */
static int ends_of(const struct reach_target *target, const char *fd)
{
	char name[REACH_NAME], text[256], *flags;
	ssize_t got;

	(void)snprintf(name, sizeof(name), "fdinfo/%s", fd);
	got = reach_file(target, name, text, sizeof(text) - 1);
	text[got > 0 ? got : 0] = '\0';
	flags = strstr(text, "flags:");
	return flags ? (int)(strtol(flags + strlen("flags:"), NULL, 8) & O_ACCMODE) : ENDS_UNKNOWN;
}

/* Two that write to the same pipe do not wait for each other. */
static bool is_other_end(const struct reach_target *target, const char *fd, int own)
{
	int ends = own == ENDS_UNKNOWN || own == O_RDWR ? O_RDWR : ends_of(target, fd);

	return ends == ENDS_UNKNOWN || ends == O_RDWR || ends != own;
}

static bool holds_other_end(pid_t pid, const char *link, int own)
{
	char path[64], text[256];
	struct dirent *entry;
	unsigned left = PIPE_DESCRIPTORS;
	bool found = false;
	DIR *directory;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	directory = opendir(path);
	while (directory && !found && left-- && (entry = readdir(directory))) {
		struct reach_target target = {.pid = pid};
		char name[REACH_NAME];

		if (entry->d_name[0] == '.' || strlen(entry->d_name) > 10)
			continue;
		(void)snprintf(name, sizeof(name), "fd/%s", entry->d_name);
		found = reach_link(&target, name, text, sizeof(text)) > 0 && strcmp(text, link) == 0 &&
			is_other_end(&target, entry->d_name, own);
	}
	if (directory)
		closedir(directory);
	return found;
}

/* A process that the service began, or of which it was begun, and that it can wait for as it does for a child. */
static enum wait_on pipe_wait(const struct wait_on_look *look, int fd, const char *link)
{
	struct reach_target target = tree_target(look->row);
	unsigned left = PIPE_PROCESSES;
	char text[16];
	int own;

	(void)snprintf(text, sizeof(text), "%d", fd);
	own = ends_of(&target, text);

	for (unsigned i = 0; i < look->tree->count; i++) {
		const struct process_row *other = &look->tree->rows[i];

		if (other == look->row || other->unseen)
			continue;
		if (!left-- || !other->readable)
			return WAIT_UNKNOWN;
		if (holds_other_end(other->pid, link, own))
			return WAIT_CHILD;
	}
	return WAIT_PIPE;
}

static const struct {
	const char *prefix;
	enum wait_on on;
} links[] = {
	{"anon_inode:[eventfd]", WAIT_WAKE},
	{"anon_inode:[timerfd]", WAIT_TIME},
	{"anon_inode:[signalfd]", WAIT_SIGNAL},
	{"anon_inode:[eventpoll]", WAIT_EVENTS},
	{"anon_inode:inotify", WAIT_EVENTS},
	{"anon_inode:[pidfd]", WAIT_CHILD},
	{"anon_inode:", WAIT_UNKNOWN},
	{"/dev/pts/", WAIT_PIPE},
	{"/dev/tty", WAIT_PIPE},
	{"/dev/console", WAIT_PIPE},
	{"/dev/", WAIT_UNKNOWN},
};

static enum wait_on file_wait(const struct wait_on_look *look, int fd, const char *link)
{
	for (unsigned i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		if (strncmp(link, links[i].prefix, strlen(links[i].prefix)) == 0)
			return links[i].on;
	}
	if (link[0] != '/')
		return WAIT_UNKNOWN;
	return sleeps_in(look, fifo_waits) ? pipe_wait(look, fd, link) : WAIT_FILE;
}

static enum wait_on socket_wait(const struct wait_on_look *look, int fd, struct wait_on_answer *answer)
{
	const struct front_row *row = look->front ? front_find(look->front, look->row->pid, fd) : NULL;

	if (row && row->way == FRONT_INTERNAL)
		return WAIT_INSIDE;
	if (row)
		(void)snprintf(answer->peer, sizeof(answer->peer), "%s", row->remote);
	return WAIT_EXTERNAL; /* also what has no connection: datagrams, netlink */
}

static enum wait_on descriptor_wait(const struct wait_on_look *look, int fd, struct wait_on_answer *answer)
{
	struct reach_target target = tree_target(look->row);
	char name[REACH_NAME], link[512];

	answer->fd = fd;
	(void)snprintf(name, sizeof(name), "fd/%d", fd);
	if (reach_link(&target, name, link, sizeof(link)) <= 0)
		return WAIT_UNKNOWN;
	if (strncmp(link, "socket:[", 8) == 0)
		return socket_wait(look, fd, answer);
	return strncmp(link, "pipe:[", 6) == 0 ? pipe_wait(look, fd, link) : file_wait(look, fd, link);
}

/* ---- a set of them: as hopeful as its best member */

static unsigned hope(enum wait_on on)
{
	static const unsigned hopes[WAIT_COUNT] = {
		[WAIT_EXTERNAL] = 4, [WAIT_UNKNOWN] = 3, [WAIT_CHILD] = 2, [WAIT_FILE] = 1};

	return hopes[on];
}

static enum wait_on set_wait(const struct wait_on_look *look, struct wait_on_answer *answer)
{
	enum wait_on found = WAIT_EVENTS;
	struct waitset set;

	if (!waitset_read(look->row, look->record, &set))
		return WAIT_UNKNOWN;
	for (unsigned i = 0; i < set.count; i++) {
		struct wait_on_answer one = {.fd = -1};
		enum wait_on on = descriptor_wait(look, set.fds[i], &one);

		if (hope(on) > hope(found)) {
			found = on;
			answer->fd = one.fd;
			memcpy(answer->peer, one.peer, sizeof(answer->peer));
		}
	}
	return found;
}

/* ---- what the kernel says, where the shim says nothing */

/* First argument: the descriptor. */
static bool takes_descriptor(long number)
{
	static const long calls[] = {SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_pread64, SYS_pwrite64, SYS_preadv, SYS_pwritev,
		SYS_recvfrom, SYS_sendto, SYS_recvmsg, SYS_sendmsg, SYS_recvmmsg, SYS_sendmmsg, SYS_accept, SYS_accept4, SYS_sendfile,
		SYS_splice, SYS_ioctl};

	for (unsigned i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (calls[i] == number)
			return true;
	}
	return false;
}

static const struct {
	long number;
	enum wait_on on;
} syscalls[] = {
	{SYS_futex, WAIT_WAKE},
	{SYS_nanosleep, WAIT_TIME},
	{SYS_clock_nanosleep, WAIT_TIME},
	{SYS_wait4, WAIT_CHILD},
	{SYS_waitid, WAIT_CHILD},
	{SYS_connect, WAIT_EXTERNAL},
	{SYS_rt_sigsuspend, WAIT_SIGNAL},
	{SYS_rt_sigtimedwait, WAIT_SIGNAL},
	{SYS_openat, WAIT_FILE},
	{SYS_fsync, WAIT_FILE},
	{SYS_fdatasync, WAIT_FILE},
	{SYS_sync, WAIT_FILE},
	{SYS_syncfs, WAIT_FILE},
	{SYS_msync, WAIT_FILE},
	{SYS_statx, WAIT_FILE},
	{SYS_newfstatat, WAIT_FILE},
	{SYS_getdents64, WAIT_FILE},
	{SYS_unlinkat, WAIT_FILE},
	{SYS_renameat2, WAIT_FILE},
	{SYS_ftruncate, WAIT_FILE},
	{SYS_fallocate, WAIT_FILE},
	{SYS_close, WAIT_FILE},
	{SYS_flock, WAIT_FILE},
#ifdef SYS_open /* calls that newer architectures have no more */
	{SYS_open, WAIT_FILE},
	{SYS_stat, WAIT_FILE},
	{SYS_lstat, WAIT_FILE},
	{SYS_access, WAIT_FILE},
	{SYS_unlink, WAIT_FILE},
	{SYS_rename, WAIT_FILE},
	{SYS_mkdir, WAIT_FILE},
	{SYS_pause, WAIT_SIGNAL},
#endif
};

enum wait_on wait_on_of_syscall(long number)
{
	for (unsigned i = 0; i < sizeof(syscalls) / sizeof(syscalls[0]); i++) {
		if (syscalls[i].number == number)
			return syscalls[i].on;
	}
	return WAIT_UNKNOWN;
}

static enum wait_on kernel_wait(const struct wait_on_look *look, struct wait_on_answer *answer)
{
	const struct evidence *evidence = look->evidence;
	enum wait_on on;

	if (evidence->state == 'D')
		return WAIT_FILE;
	if (evidence->syscall < 0)
		return WAIT_UNKNOWN;
	if (takes_descriptor(evidence->syscall))
		return descriptor_wait(look, (int)evidence->arguments[0], answer);
	on = wait_on_of_syscall(evidence->syscall);
	if (evidence->syscall == SYS_futex)
		answer->timed = evidence->arguments[3] != 0;
	if (on == WAIT_FILE && sleeps_in(look, fifo_waits))
		return WAIT_PIPE;
	return on;
}

/* ---- all of it */

static enum wait_on find(const struct wait_on_look *look, struct wait_on_answer *answer)
{
	uint32_t op = (uint32_t)(look->record->call & CALL_OP_MASK);
	const struct call_info *info = call_info(op);
	enum wait_on on = ladder_wait_of(op);

	switch (info->class) {
	case CLASS_NONE:
	case CLASS_SYSCALL:
	case CLASS_WORK: return look->evidence->state == 'R' ? WAIT_NONE : kernel_wait(look, answer);
	case CLASS_EVENT: return set_wait(look, answer);
	case CLASS_FILE: return kernel_wait(look, answer) == WAIT_PIPE ? WAIT_PIPE : WAIT_FILE;
	case CLASS_CONNECT: return descriptor_wait(look, (int)look->record->object, answer) == WAIT_INSIDE ? WAIT_INSIDE : WAIT_EXTERNAL;
	case CLASS_FD:
	case CLASS_SOCKET:
	case CLASS_ACCEPT:
		if (info->kind == OBJECT_FD)
			return descriptor_wait(look, (int)look->record->object, answer);
		return kernel_wait(look, answer); /* a stream: the kernel knows its descriptor */
	default: return on;
	}
}

struct wait_on_answer wait_on_find(const struct wait_on_look *look)
{
	struct wait_on_answer answer = {.fd = -1, .timed = (look->record->call & CALL_TIMED) != 0};

	answer.on = find(look, &answer);
	return answer;
}
