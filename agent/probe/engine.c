/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/engine.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

enum { WORDS_A_TURN = 64, ENGINE_OVER = 0, ENGINE_BROKEN = 70, ENGINE_STUCK = 75, JITTER = 20, LONG_DOWN = 30, LONGER_DOWN = 100,
	LEAVING_MOST = 32 };

#define BEAT_NS (200 * NS_PER_MS)
#define HELLO_NS NS_PER_SECOND
#define STUCK_MOST_NS (60 * NS_PER_SECOND)
#define STUCK_LEAST_NS (3 * NS_PER_SECOND) /* so long a busy machine may let a thread wait */
#define SELDOM_MOST_NS (30 * NS_PER_SECOND) /* what is down is asked at least so often, unless the period is longer */

/* Any number below `below`; nothing depends on how random it is. */
static int64_t any(int64_t below)
{
	static uint64_t state;

	if (!state)
		state = (uint64_t)clock_mono_ns() ^ (uint64_t)getpid() << 32;
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return below > 0 ? (int64_t)(state % (uint64_t)below) : 0;
}

/* ---- the agent's words ---- */

static struct slot *find_slot(struct engine *engine, uint32_t index)
{
	for (unsigned i = 0; i < engine->count; i++)
		if (engine->slots[i]->index == index)
			return engine->slots[i];
	return NULL;
}

static void take_again(struct engine *engine, const struct probe_request *request)
{
	struct slot *slot = request->epoch == engine->epoch ? find_slot(engine, request->dependency) : NULL;
	int64_t at = request->at - clock_boot_ns() + clock_mono_ns();

	if (slot && at < slot->again)
		slot->again = at;
}

/* The one that came with it. Several are for somebody else: they are closed, none is taken. */
static int take_descriptor(struct msghdr *message)
{
	int fd = -1;

	for (struct cmsghdr *at = CMSG_FIRSTHDR(message); at; at = CMSG_NXTHDR(message, at)) {
		size_t count = at->cmsg_level == SOL_SOCKET && at->cmsg_type == SCM_RIGHTS ? (at->cmsg_len - CMSG_LEN(0)) / sizeof(fd) : 0;

		for (size_t i = 0; i < count; i++) {
			memcpy(&fd, CMSG_DATA(at) + i * sizeof(fd), sizeof(fd));
			if (count == 1)
				return fd;
			close(fd);
		}
	}
	return -1;
}

/* 1 taken, 0 nothing there, -1 the other side is gone. */
static int take_word(struct engine *engine)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct probe_request request;
	struct iovec part = {&request, sizeof(request)};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	ssize_t got = recvmsg(engine->socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int fd;

	if (got <= 0)
		return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
	fd = take_descriptor(&message);
	if (got == (ssize_t)sizeof(request) && request.version == PROBE_WIRE_VERSION) {
		if (request.kind == PROBE_TAKE && fd >= 0) {
			engine_take_plan(engine, fd);
			fd = -1;
		} else if (request.kind == PROBE_AGAIN) {
			take_again(engine, &request);
		}
	}
	if (fd >= 0)
		close(fd);
	return 1;
}

/* False when the supervisor is gone. */
static bool take_words(struct engine *engine)
{
	int taken = 1;

	for (unsigned i = 0; i < WORDS_A_TURN && taken > 0; i++)
		taken = take_word(engine);
	return taken >= 0;
}

/* ---- cycles ---- */

/* What is down for long is asked more seldom. */
static bool has_its_turn(const struct engine *engine, struct slot *slot)
{
	uint64_t every = slot->failures < LONG_DOWN ? 1 : slot->failures < LONGER_DOWN ? 2 : 4;

	while (every > 1 && (int64_t)every * engine->period_ns > SELDOM_MOST_NS)
		every /= 2;
	return every == 1 || (engine->cycle + slot->index) % every == 0;
}

static void begin_cycle(struct engine *engine, int64_t now)
{
	int64_t jitter = engine->period_ns / JITTER, pause = engine->period_ns - jitter + any(2 * jitter);

	engine->cycle++;
	for (unsigned i = 0; i < engine->count; i++)
		if (has_its_turn(engine, engine->slots[i]))
			(void)slot_ask(engine->slots[i], now, now + engine->timeout_ns, engine->cycle);
	if (engine->first) /* replicas that began together do not go on together */
		pause = engine->period_ns / 2 + any(engine->period_ns / 2);
	if (engine->first && pause < engine->timeout_ns) /* nobody could be asked while all may still be asked */
		pause = engine->timeout_ns < engine->period_ns ? engine->timeout_ns : engine->period_ns;
	engine->first = false;
	engine->next_cycle = engine->count ? now + pause : INT64_MAX;
}

static int64_t stuck_limit(const struct engine *engine)
{
	int64_t limit = 2 * engine->period_ns + engine->timeout_ns;

	if (limit < STUCK_LEAST_NS)
		return STUCK_LEAST_NS;
	return limit < STUCK_MOST_NS ? limit : STUCK_MOST_NS;
}

/* When the next of them is due, or -1 when one is stuck for good. */
static int64_t follow_slots(struct engine *engine, int64_t now)
{
	int64_t due = engine->next_cycle;

	for (unsigned i = 0; i < engine->count; i++) {
		struct slot *slot = engine->slots[i];
		int64_t stuck, next;

		if (now >= slot->again)
			(void)slot_ask(slot, now, now + engine->timeout_ns, engine->cycle);
		next = slot_follow(slot, now, &stuck);
		if (stuck > stuck_limit(engine)) {
			log_event(LOG_LEVEL_WARN, "prober", "%s has not come back for %lld s: the prober begins anew", slot->of.name,
				(long long)(stuck / NS_PER_SECOND));
			return -1;
		}
		due = next < due ? next : due;
	}
	return due;
}

/* False when the socket is full: the newest of each waits. */
static bool send_results(struct engine *engine)
{
	struct probe_result result;

	for (unsigned i = 0; i < engine->count; i++) {
		if (!slot_take(engine->slots[i], &result))
			continue;
		result.dependency = engine->slots[i]->index;
		result.epoch = engine->epoch;
		result.sequence = ++engine->sequence;
		if (send(engine->socket, &result, sizeof(result), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			return errno != EAGAIN;
		slot_sent(engine->slots[i], &result);
	}
	return true;
}

static void say_hello(struct engine *engine)
{
	struct probe_hello hello = {.version = PROBE_WIRE_VERSION, .pid = (uint32_t)getpid()};

	(void)send(engine->socket, &hello, sizeof(hello), MSG_DONTWAIT | MSG_NOSIGNAL); /* said again until there is a plan */
}

static void wait_for_something(struct engine *engine, int64_t until, bool sent)
{
	struct pollfd waits[] = {{.fd = engine->socket, .events = (short)(sent ? POLLIN : POLLIN | POLLOUT)},
		{.fd = engine->done, .events = POLLIN}};
	int64_t left = until - clock_mono_ns();
	struct timespec timeout = {0};
	uint64_t count;

	if (left > 0)
		timeout = (struct timespec){left / NS_PER_SECOND, left % NS_PER_SECOND};
	if (ppoll(waits, 2, &timeout, NULL) > 0 && waits[1].revents && read(engine->done, &count, sizeof(count)) < 0)
		return; /* EAGAIN: somebody was faster */
}

static int run(struct engine *engine)
{
	pid_t parent = getppid();
	int64_t hello = 0;

	while (getppid() == parent) {
		int64_t now = clock_mono_ns(), due;
		bool sent;

		__atomic_fetch_add(&engine->beat->beat, 1, __ATOMIC_RELAXED); /* any change will do */
		if (!engine->epoch && now >= hello) {
			say_hello(engine);
			hello = now + HELLO_NS;
		}
		if (!take_words(engine))
			return ENGINE_OVER;
		if (now >= engine->next_cycle)
			begin_cycle(engine, now);
		due = follow_slots(engine, now);
		if (due < 0 || slots_leaving() > LEAVING_MOST)
			return ENGINE_STUCK;
		sent = send_results(engine);
		wait_for_something(engine, due < now + BEAT_NS ? due : now + BEAT_NS, sent);
	}
	return ENGINE_OVER;
}

int engine_run(int socket, int beat_fd, const char *modules)
{
	static struct engine engine; /* owner: this thread; too large for a stack */
	void *page = mmap(NULL, sizeof(struct probe_beat), PROT_READ | PROT_WRITE, MAP_SHARED, beat_fd, 0);

	engine = (struct engine){.socket = socket, .modules = modules, .next_cycle = INT64_MAX};
	engine.done = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	(void)signal(SIGPIPE, SIG_IGN); /* libraries forget MSG_NOSIGNAL */
	if (page == MAP_FAILED || engine.done < 0)
		return ENGINE_BROKEN;
	close(beat_fd);
	engine.beat = page;
	return run(&engine);
}
