/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/kind_exec_child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

#define EXEC_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

enum { NOT_STARTED = 127, MOST_DESCRIPTORS = 4096, SWEEPS = 10, SWEEP_MS = 2 };

/* Secrets that the prober was given for other dependencies stay with it. */
struct environment {
	char name[128];
	char *list[5];
};

static void make_environment(struct environment *out, const char *name)
{
	static char path[] = "PATH=" EXEC_PATH, language[] = "LC_ALL=C", home[] = "HOME=/";

	snprintf(out->name, sizeof out->name, "LIFESIGN_DEPENDENCY=%s", name);
	memcpy(out->list, (char *[]){path, language, home, out->name, NULL}, sizeof out->list);
}

/* 0, or -errno as execve would say it. */
static int check_program(const char *path)
{
	struct stat about;

	if (stat(path, &about) < 0 || access(path, X_OK) < 0)
		return -errno;
	return S_ISREG(about.st_mode) ? 0 : -EACCES;
}

static int find_program(const char *word, char *out, size_t bytes)
{
	const char *at = EXEC_PATH;
	size_t length;

	if (strchr(word, '/')) {
		snprintf(out, bytes, "%s", word);
		return check_program(out);
	}
	for (; *at; at += length + (at[length] == ':')) {
		length = strcspn(at, ":");
		snprintf(out, bytes, "%.*s/%s", (int)length, at, word);
		if (check_program(out) == 0)
			return 0;
	}
	return -ENOENT;
}

static void close_others(void)
{
	if (syscall(SYS_close_range, 3U, ~0U, 0U) == 0)
		return;
	for (int fd = 3; fd < MOST_DESCRIPTORS; fd++) /* a kernel before 5.9 */
		close(fd);
}

/* In the child: nothing but calls that are safe between fork and exec of a program with threads. */
static void become(const char *program, char *const *words, char *const *environment, int output, pid_t parent)
{
	struct sigaction usual = {.sa_handler = SIG_DFL};
	int nothing = open("/dev/null", O_RDONLY);
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(NOT_STARTED);
	setpgid(0, 0);
	for (int number = 1; number < NSIG; number++)
		sigaction(number, &usual, NULL); /* not KILL, STOP and libc's own: they refuse */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (nothing < 0 || dup2(nothing, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0)
		_exit(NOT_STARTED);
	close_others();
	execve(program, words, environment);
	_exit(NOT_STARTED);
}

/* The environment it began with names whose it is; who has emptied it is nobody's. */
static bool was_begun_for(pid_t pid, const char *name)
{
	char path[32], mark[160], text[4096];
	int fd, length = snprintf(mark, sizeof mark, "LIFESIGN_DEPENDENCY=%s", name) + 1; /* with its 0 */
	ssize_t got;

	snprintf(path, sizeof path, "/proc/%d/environ", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	got = fd < 0 ? -1 : read(fd, text, sizeof text);
	if (fd >= 0)
		close(fd);
	return got > 0 && memmem(text, (size_t)got, mark, (size_t)length);
}

/* Commands are begun by other threads: what the first one has for children are orphans. How many are not gone yet? */
static unsigned sweep_once(const char *name)
{
	char path[64], text[4096], *at = text;
	unsigned left = 0;
	int fd;
	ssize_t got;

	snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
	fd = open(path, O_RDONLY | O_CLOEXEC);
	got = fd < 0 ? 0 : read(fd, text, sizeof text - 1); /* more are the next one's */
	if (fd >= 0)
		close(fd);
	text[got > 0 ? got : 0] = '\0';
	for (pid_t pid; (pid = (pid_t)strtol(at, &at, 10)) > 0;) {
		if (waitpid(pid, NULL, WNOHANG) == 0 && was_begun_for(pid, name))
			left += kill(pid, SIGKILL) == 0;
	}
	return left;
}

void child_sweep(const char *name)
{
	for (unsigned i = 0; i < SWEEPS && sweep_once(name); i++)
		poll(NULL, 0, SWEEP_MS); /* who is stuck in the kernel is met again the next time */
}

int child_start(struct child *child, char *const *words, const char *name)
{
	char program[PATH_MAX];
	struct environment environment;
	int ends[2], result = find_program(words[0], program, sizeof program);
	pid_t parent = getpid();

	if (result)
		return result;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	make_environment(&environment, name);
	prctl(PR_SET_CHILD_SUBREAPER, 1); /* what it leaves behind is ours to end, and no process of the service's */
	child->pid = fork();
	if (child->pid == 0)
		become(program, words, environment.list, ends[1], parent);
	result = child->pid < 0 ? -errno : 0;
	close(ends[1]);
	if (result) {
		close(ends[0]);
		child->pid = 0;
		return result;
	}
	setpgid(child->pid, child->pid); /* whoever of the two comes first */
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	child->output = ends[0];
	child->ended = (int)syscall(SYS_pidfd_open, child->pid, 0U); /* close-on-exec by itself */
	return 0;
}

bool child_has_ended(const struct child *child, int *status)
{
	siginfo_t info = {.si_pid = 0};

	if (waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
		return false;
	*status = info.si_code == CLD_EXITED ? W_EXITCODE(info.si_status, 0) : W_EXITCODE(0, info.si_status);
	return true;
}

static void close_both(struct child *child)
{
	if (child->output >= 0)
		close(child->output);
	if (child->ended >= 0)
		close(child->ended);
	child->output = child->ended = -1;
}

bool child_end(struct child *child)
{
	close_both(child);
	if (child->pid == 0)
		return true;
	kill(-child->pid, SIGKILL);
	kill(child->pid, SIGKILL); /* should it have left its group */
	if (waitpid(child->pid, NULL, WNOHANG) == 0)
		return false;
	child->pid = 0;
	return true;
}
