/* SPDX-License-Identifier: Apache-2.0 */
#include "supervise/signals.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const int ends[] = {SIGTERM, SIGINT, SIGQUIT};
/* Not for the agent: `kill 0`, a closing terminal and systemd's KillMode=control-group reach it too. */
static const int polite[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM};

static bool is_among(int number, const int *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (list[i] == number)
			return true;
	}
	return false;
}

static uint64_t read_ignored(void)
{
	uint64_t ignored = 0;
	struct sigaction action;

	for (int number = 1; number < 64; number++) {
		if (sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
			ignored |= UINT64_C(1) << number;
	}
	return ignored;
}

int signals_take(struct signals *out)
{
	struct sigaction as_usual = {.sa_handler = SIG_DFL};
	sigset_t all;

	out->ignored_before = read_ignored();
	(void)sigfillset(&all); /* cannot fail: the pointer is good, here and below */
	(void)sigprocmask(SIG_SETMASK, &all, &out->mask_before);
	(void)sigaction(SIGCHLD, &as_usual, &out->child_before);
	out->fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	return out->fd < 0 ? -errno : 0;
}

void signals_give_back(const struct signals *signals)
{
	(void)sigaction(SIGCHLD, &signals->child_before, NULL);
	(void)sigprocmask(SIG_SETMASK, &signals->mask_before, NULL);
}

void signals_reset_for_agent(void)
{
	sigset_t none;

	for (int number = 1; number < NSIG; number++) {
		bool ignored = is_among(number, polite, sizeof(polite) / sizeof(polite[0]));
		struct sigaction action = {.sa_handler = ignored ? SIG_IGN : SIG_DFL};

		(void)sigaction(number, &action, NULL); /* KILL, STOP and libc's own refuse: right so */
	}
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

enum signal_plan signals_plan(const struct signals *signals, const struct signalfd_siginfo *info, pid_t self)
{
	int number = (int)info->ssi_signo;

	/* a write of ours to a closed pipe raises SIGPIPE in our own name */
	if (number == SIGCHLD || (info->ssi_code <= 0 && info->ssi_pid == (uint32_t)self))
		return SIGNAL_OURS;
	if (number == SIGTSTP || number == SIGTTIN || number == SIGTTOU)
		return SIGNAL_STOP;
	if (number == SIGCONT)
		return SIGNAL_CONTINUE;
	/* `sh -c 'lifesign run … &'` ignores INT and QUIT: what the service may ignore too ends nothing */
	if (is_among(number, ends, sizeof(ends) / sizeof(ends[0])) && !(signals->ignored_before >> number & 1))
		return SIGNAL_DRAIN;
	return SIGNAL_FORWARD;
}

void signals_forward(pid_t pid, const struct signalfd_siginfo *info)
{
	union sigval value = {.sival_ptr = (void *)(uintptr_t)info->ssi_ptr}; /* NOLINT: it travels as a number */

	if (info->ssi_code != SI_QUEUE || sigqueue(pid, (int)info->ssi_signo, value) < 0)
		(void)kill(pid, (int)info->ssi_signo); /* fails only when it has just ended: its status is on the way */
}
