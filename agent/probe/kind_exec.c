/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec: a command that says by its exit status, as Nagios plugins do, 0 up, 1 degraded, 2 down, 3 cannot tell.
 * Never by a shell. It and all of its group are killed before the time is over; the next one is not begun
 * before it is gone. Threads, failure: see kind.h. Memory: of what it prints OUTPUT bytes are kept, the rest is
 * read and thrown away.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe/kind.h"
#include "probe/kind_exec_child.h"
#include "probe/kind_exec_output.h"

enum {
	OUTPUT = 4096,
	CANNOT_TELL = 3,
	REAP_MS = 50, /* before the deadline it is killed, to be gone by then */
	LOOK_MS = 10  /* how often is looked when the kernel does not tell (before 5.3) */
};

struct exec {
	struct child child;
	char *words[DEPENDENCY_WORDS + 1];
	size_t used;
	char output[OUTPUT];
	char texts[DEPENDENCY_WORDS][DEPENDENCY_TEXT];
};

static int open_exec(const struct dependency *of, void **state, char *why, size_t why_bytes)
{
	struct exec *exec;

	if (of->word_count == 0 || !of->words[0][0]) {
		snprintf(why, why_bytes, "command: a list of words is missing");
		return -EINVAL;
	}
	exec = calloc(1, sizeof *exec);
	if (!exec)
		return -ENOMEM;
	exec->child = (struct child){.output = -1, .ended = -1};
	memcpy(exec->texts, of->words, sizeof exec->texts);
	for (unsigned i = 0; i < of->word_count && i < DEPENDENCY_WORDS; i++)
		exec->words[i] = exec->texts[i];
	*state = exec;
	return 0;
}

static void close_exec(void *state)
{
	struct exec *exec = state;

	child_end(&exec->child);
	free(exec);
}

/* What is there to read, and no more than once around: a flood must not keep us from looking at the clock. */
static void read_output(struct exec *exec)
{
	char rest[OUTPUT];
	ssize_t got;

	if (exec->child.output < 0)
		return;
	got = read(exec->child.output, rest, sizeof rest);
	if (got > 0) {
		size_t room = sizeof exec->output - 1 - exec->used,
		       kept = (size_t)got < room ? (size_t)got : room;

		memcpy(exec->output + exec->used, rest, kept);
		exec->used += kept;
		exec->output[exec->used] = '\0';
	} else if (got == 0 || errno != EAGAIN) {
		close(exec->child.output); /* it printed all that it wanted, but may go on */
		exec->child.output = -1;
	}
}

static int time_left(const struct attempt *attempt)
{
	int left = attempt_left_ms(attempt), all = (int)((attempt->deadline - attempt->began) / 1000000);
	int kept = all / 10 < REAP_MS ? all / 10 : REAP_MS;

	return left > kept ? left - kept : 0;
}

/* Until it has ended (true) or its time is over. */
static bool wait_for(struct exec *exec, const struct attempt *attempt, int *status)
{
	int left;

	while ((left = time_left(attempt)) > 0) {
		struct pollfd fds[2] = {{.fd = exec->child.ended, .events = POLLIN},
			{.fd = exec->child.output, .events = POLLIN}};

		if (child_has_ended(&exec->child, status))
			return true;
		poll(fds, 2, exec->child.ended < 0 && left > LOOK_MS ? LOOK_MS : left);
		if (fds[1].revents)
			read_output(exec);
	}
	return child_has_ended(&exec->child, status);
}

static void judge_status(struct attempt *attempt, int status, const char *output)
{
	char text[PROBE_DETAIL - 40];
	double number;

	exec_read_text(output, text, sizeof text);
	if (exec_read_number(output, &number))
		attempt_value(attempt, number);
	if (WIFSIGNALED(status))
		attempt_fail(attempt, PROBE_INTERNAL, "ended by signal %d: %s", WTERMSIG(status), text);
	else if (WEXITSTATUS(status) == 1)
		attempt_degrade(attempt, PROBE_NOT_READY, "%s", text);
	else if (WEXITSTATUS(status) == 2)
		attempt_fail(attempt, PROBE_NOT_READY, "%s", text);
	else if (WEXITSTATUS(status) == CANNOT_TELL)
		attempt_fail(attempt, PROBE_INTERNAL, "cannot tell: %s", text);
	else if (WEXITSTATUS(status) != 0)
		attempt_fail(attempt, PROBE_INTERNAL, "exit status %d: %s", WEXITSTATUS(status), text);
	if (WIFEXITED(status) && WEXITSTATUS(status) == CANNOT_TELL)
		attempt->result->status = PROBE_UNKNOWN;
}

/* Gone within what time there is left? */
static bool reap(struct exec *exec, const struct attempt *attempt)
{
	while (!child_end(&exec->child)) {
		if (attempt_left_ms(attempt) == 0)
			return false;
		poll(NULL, 0, 2);
	}
	return true;
}

static void run(struct exec *exec, struct attempt *attempt)
{
	int status = 0;
	bool ended = wait_for(exec, attempt, &status);

	read_output(exec);
	if (ended)
		judge_status(attempt, status, exec->output);
	else
		attempt_fail(attempt, PROBE_TIMEOUT, "did not end in time and was killed");
	if (reap(exec, attempt))
		child_sweep(attempt->of->name);
}

static void ask_exec(void *state, struct attempt *attempt)
{
	struct exec *exec = state;
	int result;

	attempt_phase(attempt, PHASE_ASK);
	exec->used = 0;
	exec->output[0] = '\0';
	if (!reap(exec, attempt)) {
		attempt_fail(attempt, PROBE_TIMEOUT, "the one before was killed and is still not gone");
		return;
	}
	result = child_start(&exec->child, exec->words, attempt->of->name);
	if (result)
		attempt_fail(attempt, PROBE_INTERNAL, "%.100s cannot be started: %s", exec->words[0],
			strerror(-result));
	else
		run(exec, attempt);
}

const struct probe_kind probe_kind = {.name = "exec", .open = open_exec, .ask = ask_exec, .close = close_exec};
