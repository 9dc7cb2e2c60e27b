/* SPDX-License-Identifier: Apache-2.0 */
#include "supervise/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#include "watch/procfs.h"

enum { ANCESTORS = 64 }; /* more processes between a shell and us are not looked at */

void terminal_open(struct terminal *out)
{
	out->own_group = getpgrp();
	out->fd = -1;
	if (tcgetpgrp(STDIN_FILENO) > 0) /* fails unless it is the terminal of our session */
		out->fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
}

bool terminal_is_ours(const struct terminal *terminal)
{
	return terminal->fd >= 0 && tcgetpgrp(terminal->fd) == terminal->own_group;
}

void terminal_give(const struct terminal *terminal, pid_t group)
{
	if (terminal->fd >= 0)
		(void)tcsetpgrp(terminal->fd, group); /* a terminal that hung up has no foreground */
}

void terminal_take(const struct terminal *terminal, pid_t group)
{
	pid_t now = terminal->fd >= 0 ? tcgetpgrp(terminal->fd) : -1;

	if (now > 0 && now != terminal->own_group && (now == group || (kill(-now, 0) < 0 && errno == ESRCH)))
		terminal_give(terminal, terminal->own_group);
}

/* A group is orphaned when nobody of its session, but outside the group, is parent of a member. */
bool terminal_has_shell(const struct terminal *terminal)
{
	pid_t session = getsid(0), ancestor = getppid();

	for (int i = 0; i < ANCESTORS && ancestor > 0 && getpgid(ancestor) == terminal->own_group; i++) {
		struct proc_stat stat;

		if (proc_thread_stat(ancestor, ancestor, &stat) < 0)
			return false;
		ancestor = stat.parent;
	}
	return ancestor > 0 && getsid(ancestor) == session && getpgid(ancestor) != terminal->own_group;
}

/* Reads away what is pending: it was meant for this stop. */
static void discard(int number)
{
	struct timespec none = {0};
	sigset_t one;

	(void)sigemptyset(&one); /* cannot fail: the signal exists */
	(void)sigaddset(&one, number);
	while (sigtimedwait(&one, NULL, &none) > 0)
		continue;
}

void terminal_stop_ourselves(int number)
{
	struct sigaction action = {0};
	sigset_t one, before;

	(void)sigaction(number, NULL, &action);
	(void)kill(0, number); /* our whole group: a script above us, the other ends of a pipeline */
	(void)sigemptyset(&one);
	(void)sigaddset(&one, number);
	(void)sigprocmask(SIG_UNBLOCK, &one, &before); /* stops here, and says to the shell by which signal */
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	if (action.sa_handler == SIG_IGN)
		(void)raise(SIGSTOP);
	discard(number);
	discard(SIGCONT);
}
