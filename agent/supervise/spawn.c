/* SPDX-License-Identifier: Apache-2.0 */
#include "supervise/spawn.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_DESCRIPTORS = 65536, FIRST = STDERR_FILENO + 1 };

/* Between fork and exec: async-signal-safe calls only. */
static void become_command(const struct spawn *spawn, int report, bool foreground)
{
	int error;

	(void)setpgid(0, 0); /* the parent does the same: whoever comes first */
	if (foreground)
		terminal_give(spawn->terminal, getpid());
	environment_set_pid(spawn->environment, getpid());
	signals_give_back(spawn->signals);
	execvpe(spawn->argv[0], spawn->argv, spawn->environment->list);
	error = errno;
	if (write(report, &error, sizeof(error)) < 0)
		_exit(126);
	_exit(127);
}

/* errno of the child's exec; 0 when it succeeded: the pipe closes by itself then. */
static int wait_for_exec(int report)
{
	int error = 0;
	ssize_t got;

	do
		got = read(report, &error, sizeof(error));
	while (got < 0 && errno == EINTR);
	return got == (ssize_t)sizeof(error) ? error : 0;
}

pid_t spawn_command(const struct spawn *spawn)
{
	bool foreground = terminal_is_ours(spawn->terminal);
	int report[2], error;
	pid_t pid;

	if (pipe2(report, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	error = errno;
	if (pid == 0)
		become_command(spawn, report[1], foreground);
	close(report[1]);
	if (pid > 0) {
		(void)setpgid(pid, pid); /* EACCES: it has already done so and exec'ed */
		error = wait_for_exec(report[0]);
	}
	close(report[0]);
	if (error == 0 || pid < 0)
		return pid < 0 ? -error : pid;
	(void)waitpid(pid, NULL, 0);
	terminal_take(spawn->terminal, pid);
	return -error;
}

/* Ours are close-on-exec, inherited ones cannot be: that is how they got here. */
static void close_if_inherited(int fd)
{
	int flags = fcntl(fd, F_GETFD);

	if (fd >= FIRST && flags >= 0 && !(flags & FD_CLOEXEC))
		close(fd);
}

static void close_by_number(void)
{
	struct rlimit limit = {.rlim_cur = MOST_DESCRIPTORS};

	(void)getrlimit(RLIMIT_NOFILE, &limit); /* a failure leaves our own bound */
	for (int fd = FIRST; fd < MOST_DESCRIPTORS && (rlim_t)fd < limit.rlim_cur; fd++)
		close_if_inherited(fd);
}

static void move_to_null(int fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return;
	(void)dup3(null, fd, 0);
	close(null);
}

void spawn_close_inherited(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;

	move_to_null(STDIN_FILENO);
	move_to_null(STDOUT_FILENO);
	if (!dir) {
		close_by_number();
		return;
	}
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] != '.')
			close_if_inherited(atoi(entry->d_name));
	}
	closedir(dir);
}

void spawn_fill_standard(void)
{
	for (int fd = STDIN_FILENO; fd < FIRST; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR | O_CLOEXEC) != fd)
			return; /* no /dev/null: then there is nothing to protect it with */
	}
}
