/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A prober of the test's own: engine_run in a child process that loads the kind support/kind_stage.c, whose dependencies
 * "d0", "d1", … do what the test wants at the moment; the test is their agent. What they have been asked stands in
 * memory that both share. Failure: an assertion; stage_down ends what was started.
 */
#ifndef LS_TESTS_PROBE_STAGE_H
#define LS_TESTS_PROBE_STAGE_H

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "probe/engine.h"
#include "support/kind_stage.h"

enum { ACTORS = 48 };

enum act {
	ACT_UP,
	ACT_DOWN,
	ACT_WAIT,   /* until it is to do something else, and holds nothing */
	ACT_HELD,   /* waits for a socket that it holds */
	ACT_LET_GO, /* as ACT_WAIT, and counts whether somebody shuts down what it held before */
	ACT_NO_OPEN,
	ACT_UNKNOWN,
	ACTS
};

struct actor {
	_Atomic unsigned does, phase, opened, closed, asked, returned, at_once, most_at_once, freed;
};

static struct stage {
	struct actor actors[ACTORS];
} *stage;

/* ---- the prober's side */

static void act_up(struct actor *self, struct attempt *attempt)
{
	attempt_value(attempt, self->asked);
}

static void act_down(struct actor *self, struct attempt *attempt)
{
	(void)attempt_fail(attempt, PROBE_REFUSED, "asked %u times", self->asked);
}

static void act_wait(struct actor *self, struct attempt *attempt)
{
	unsigned does = self->does;

	while (self->does == does)
		(void)poll(NULL, 0, 2);
	attempt_value(attempt, -1); /* to be told apart */
}

static void act_held(struct actor *self, struct attempt *attempt)
{
	int ends[2];
	char byte;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		abort();
	attempt_hold(attempt, ends[0]);
	self->freed += recv(ends[0], &byte, 1, 0) == 0;
	attempt_hold(attempt, -1);
	close(ends[0]);
	close(ends[1]);
	(void)attempt_fail(attempt, PROBE_PROTOCOL_ERROR, "it was shut down");
}

static void act_let_go(struct actor *self, struct attempt *attempt)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		abort();
	attempt_hold(attempt, ends[0]);
	attempt_hold(attempt, -1);
	act_wait(self, attempt);
	self->freed += attempt_hung_up(ends[0]);
	close(ends[0]);
	close(ends[1]);
}

static void act_unknown(struct actor *self, struct attempt *attempt)
{
	(void)self;
	attempt->result->status = PROBE_UNKNOWN;
}

int stage_open(const struct dependency *of, void **state, char *why, size_t why_bytes)
{
	struct actor *self = &stage->actors[atoi(of->name + 1)];

	(void)why;
	(void)why_bytes;
	*state = self;
	self->opened++;
	return self->does == ACT_NO_OPEN ? -ENOMEM : 0;
}

void stage_ask(void *state, struct attempt *attempt)
{
	static void (*const acts[ACTS])(struct actor *, struct attempt *) = {[ACT_UP] = act_up, [ACT_DOWN] = act_down,
		[ACT_WAIT] = act_wait, [ACT_HELD] = act_held, [ACT_LET_GO] = act_let_go, [ACT_UNKNOWN] = act_unknown};
	struct actor *self = state;
	unsigned now = ++self->at_once;

	if (now > self->most_at_once)
		self->most_at_once = now;
	self->asked++;
	if (self->phase < PHASES)
		attempt_phase(attempt, self->phase);
	acts[self->does](self, attempt);
	self->at_once--;
	self->returned++;
}

void stage_close(void *state)
{
	((struct actor *)state)->closed++;
}

/* ---- the agent's side */

static struct {
	pid_t pid;
	int socket;
	struct probe_beat *beat;
	uint64_t epoch;
	unsigned hellos;
} prober;

/* True as soon as `is` says so, false after a time that no machine needs. */
#define COMES_TRUE(is) \
	({ \
		int64_t until_ = clock_mono_ns() + 30 * NS_PER_SECOND; \
		while (!(is) && clock_mono_ns() < until_) \
			(void)poll(NULL, 0, 2); \
		(is); \
	})

static int stage_up_with(const char *modules)
{
	int ends[2], beat = memfd_create("beat", MFD_CLOEXEC);

	stage = mmap(NULL, sizeof(*stage), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0 || ftruncate(beat, sizeof(struct probe_beat)) < 0)
		return -1;
	prober.beat = mmap(NULL, sizeof(struct probe_beat), PROT_READ, MAP_SHARED, beat, 0);
	for (unsigned i = 0; i < ACTORS; i++)
		stage->actors[i].phase = PHASES;
	(void)fflush(NULL); /* else both write it */
	prober.pid = fork();
	if (!prober.pid) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ends[0]);
		exit(engine_run(ends[1], beat, modules));
	}
	close(ends[1]);
	close(beat);
	prober.socket = ends[0];
	prober.epoch = prober.hellos = 0;
	return prober.pid > 0 ? 0 : -1;
}

static int stage_up(void **state)
{
	(void)state;
	return stage_up_with(LS_SUPPORT "/kinds");
}

/* The status it has ended with by itself. */
static int prober_status(void)
{
	pid_t ended = 0;
	int status = -1;

	assert_true(COMES_TRUE(ended || (ended = waitpid(prober.pid, &status, WNOHANG))));
	prober.pid = 0;
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Without an agent it ends by itself, unless a test has failed in the middle. */
static int stage_down(void **state)
{
	pid_t ended = 0;
	int status = 0;

	(void)state;
	close(prober.socket);
	if (prober.pid && !COMES_TRUE(ended || (ended = waitpid(prober.pid, &status, WNOHANG)))) {
		kill(prober.pid, SIGKILL);
		(void)waitpid(prober.pid, &status, 0);
	}
	prober.pid = 0;
	munmap(stage, sizeof(*stage));
	munmap(prober.beat, sizeof(*prober.beat));
	return status; /* a sanitizer has its own */
}

/* `count` dependencies d`first`, … in a plan that is to be freed. */
static struct probe_plan *plan_of(unsigned first, unsigned count, int64_t period_ms, int64_t timeout_ms)
{
	static uint64_t epochs;
	size_t bytes = sizeof(struct probe_plan) + count * sizeof(struct dependency);
	struct probe_plan *plan = calloc(1, bytes);

	assert_non_null(plan);
	*plan = (struct probe_plan){.version = PROBE_PLAN_VERSION, .period_ns = period_ms * NS_PER_MS, .timeout_ns = timeout_ms * NS_PER_MS,
		.set = {.version = DEPENDENCY_SET_VERSION, .count = count, .epoch = ++epochs}};
	plan->set.bytes = bytes - offsetof(struct probe_plan, set);
	strcpy(plan->service, "test");
	for (unsigned i = 0; i < count; i++) {
		plan->set.list[i].kind = DEPENDENCY_EXEC;
		(void)snprintf(plan->set.list[i].name, sizeof(plan->set.list[i].name), "d%u", first + i);
	}
	return plan;
}

static size_t plan_bytes(const struct probe_plan *plan)
{
	return offsetof(struct probe_plan, set) + plan->set.bytes;
}

static int in_memory(const void *bytes, size_t count)
{
	int fd = memfd_create("plan", MFD_CLOEXEC);

	assert_int_equal(write(fd, bytes, count), (ssize_t)count);
	return fd;
}

/* A message as an agent sends it, with a descriptor unless that is -1. */
static void tell(const void *bytes, size_t count, int fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {.bytes = {0}};
	struct iovec part = {(void *)(uintptr_t)bytes, count};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	if (fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		control.header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(fd)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	assert_int_equal(sendmsg(prober.socket, &message, MSG_NOSIGNAL), (ssize_t)count);
	if (fd >= 0)
		close(fd);
}

static void tell_plan(const struct probe_plan *plan)
{
	struct probe_request request = {.version = PROBE_WIRE_VERSION, .kind = PROBE_TAKE, .epoch = plan->set.epoch};

	prober.epoch = plan->set.epoch;
	tell(&request, sizeof(request), in_memory(plan, plan_bytes(plan)));
}

/* A plan that nobody needs any more. */
static void tell_plan_of(unsigned first, unsigned count, int64_t period_ms, int64_t timeout_ms)
{
	struct probe_plan *plan = plan_of(first, count, period_ms, timeout_ms);

	tell_plan(plan);
	free(plan);
}

static void tell_again(uint32_t index, uint64_t epoch, int64_t after_ms)
{
	struct probe_request request = {.version = PROBE_WIRE_VERSION, .kind = PROBE_AGAIN, .epoch = epoch, .dependency = index,
		.at = clock_boot_ns() + after_ms * NS_PER_MS};

	tell(&request, sizeof(request), -1);
}

/* The next result of the present plan, which the agent would take: false when none comes within that time. */
static bool hear(struct probe_result *out, int ms)
{
	int64_t until = clock_mono_ns() + ms * NS_PER_MS;

	for (;;) {
		struct pollfd wait = {.fd = prober.socket, .events = POLLIN};
		int64_t left = until - clock_mono_ns();
		ssize_t got;

		if (left <= 0 || poll(&wait, 1, (int)(left / NS_PER_MS) + 1) <= 0)
			return false;
		got = recv(prober.socket, out, sizeof(*out), 0);
		if (got <= 0)
			return false;
		if (got == PROBE_HELLO_BYTES)
			prober.hellos++;
		else if (out->epoch == prober.epoch) {
			assert_true(probe_result_check(out, (uint64_t)got, prober.epoch, DEPENDENCIES));
			return true;
		}
	}
}

static struct probe_result next(void)
{
	struct probe_result result = {0};

	assert_true(hear(&result, 30000));
	return result;
}

#endif
