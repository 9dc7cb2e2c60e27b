/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/dependencies.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

#define STALE_LEAST_NS (60 * NS_PER_SECOND)

static bool write_all(int fd, const void *bytes, size_t count)
{
	while (count) {
		ssize_t wrote = write(fd, bytes, count);

		if (wrote < 0 && errno != EINTR)
			return false;
		if (wrote > 0) {
			bytes = (const char *)bytes + wrote;
			count -= (size_t)wrote;
		}
	}
	return true;
}

/* `ulimit -f` counts for shared memory, too, and is meant for COMMAND's files. */
static void lift_file_limit(void)
{
	struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};

	(void)signal(SIGXFSZ, SIG_IGN); /* then what does not fit is an error */
	if (setrlimit(RLIMIT_FSIZE, &limit) == 0 || getrlimit(RLIMIT_FSIZE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_FSIZE, &limit); /* as far as it goes */
}

/* A memfd: secrets may stand in it, and nobody else gets it. -1: no memory. */
static int make_plan(const struct dependencies *dependencies)
{
	struct probe_plan plan = {.version = PROBE_PLAN_VERSION, .period_ns = dependencies->period_ns,
		.timeout_ns = dependencies->timeout_ns};
	int fd;

	lift_file_limit();
	fd = memfd_create("lifesign-plan", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("lifesign-plan", MFD_CLOEXEC | MFD_ALLOW_SEALING); /* Linux before 6.3 */
	if (fd < 0)
		return -1;
	_Static_assert(sizeof(plan.service) == SERVICE_NAME_BYTES, "the same name");
	memcpy(plan.service, dependencies->service, sizeof(plan.service));
	if (write_all(fd, &plan, offsetof(struct probe_plan, set)) && write_all(fd, dependencies->set, dependencies->set->bytes) &&
		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0)
		return fd;
	close(fd);
	return -1;
}

static void say_no_plan(struct dependencies *dependencies)
{
	if (!dependencies->said_no_plan)
		log_event(LOG_LEVEL_ERROR, "prober", "no memory to tell the prober what to ask: dependencies stay as they are");
	dependencies->said_no_plan = true;
}

void plan_send(struct dependencies *dependencies)
{
	struct probe_request request = {.version = PROBE_WIRE_VERSION, .kind = PROBE_TAKE};
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec part = {&request, sizeof(request)};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	int fd = dependencies->set ? make_plan(dependencies) : -1;

	if (fd < 0) {
		say_no_plan(dependencies);
		return;
	}
	request.epoch = dependencies->set->epoch;
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	if (sendmsg(dependencies->socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		dependencies->plan_due = false; /* else the socket is full: at the next tick */
	close(fd);
}

void plan_ask_again(const struct dependencies *dependencies, unsigned index, int64_t at)
{
	struct probe_request request = {.version = PROBE_WIRE_VERSION, .kind = PROBE_AGAIN,
		.epoch = dependencies->set->epoch, .dependency = index, .at = at};

	(void)send(dependencies->socket, &request, sizeof(request), MSG_DONTWAIT | MSG_NOSIGNAL); /* else with the next cycle */
}

static int64_t ns_of(double seconds)
{
	return (int64_t)(seconds * (double)NS_PER_SECOND);
}

static void free_lists(struct dependencies *dependencies)
{
	free(dependencies->set);
	free(dependencies->states);
	free(dependencies->standing);
	free(dependencies->told);
	free(dependencies->newest);
	free(dependencies->identities);
	dependencies->set = NULL;
	dependencies->states = NULL;
	dependencies->standing = dependencies->told = NULL;
	dependencies->newest = NULL;
	dependencies->identities = NULL;
}

/* Room for the set's; false: no memory, and then there are none. */
static bool make_lists(struct dependencies *dependencies, const struct dependency_set *set)
{
	dependencies->set = malloc(set->bytes);
	dependencies->states = calloc(set->count, sizeof(*dependencies->states));
	dependencies->standing = calloc(set->count, sizeof(*dependencies->standing));
	dependencies->told = calloc(set->count, sizeof(*dependencies->told));
	dependencies->newest = calloc(set->count, sizeof(*dependencies->newest));
	dependencies->identities = calloc(set->count, sizeof(*dependencies->identities));
	if (dependencies->set && dependencies->states && dependencies->standing && dependencies->told && dependencies->newest &&
		dependencies->identities) {
		memcpy(dependencies->set, set, set->bytes);
		return true;
	}
	free_lists(dependencies);
	return false;
}

/* What the newest result said for people goes on where the dependency did. */
static void move_newest(struct dependencies *dependencies, const struct dependency_set *before_set,
	const struct probe_result *before, const uint64_t *identities)
{
	for (unsigned i = 0; dependencies->set && i < dependencies->set->count; i++)
		for (unsigned j = 0; before_set && j < before_set->count; j++)
			if (identities[j] == dependencies->identities[i])
				dependencies->newest[i] = before[j];
}

/* Where it stood when this agent came is no news. */
static void take_as_told(struct dependencies *dependencies)
{
	for (unsigned i = 0; dependencies->set && i < dependencies->set->count; i++)
		dependencies->standing[i].status = dependencies->states[i].status;
}

static void take_set(struct dependencies *dependencies, const struct dependency_set *set)
{
	struct dependencies before = *dependencies;

	dependencies->set = NULL;
	dependencies->states = NULL;
	dependencies->standing = dependencies->told = NULL;
	dependencies->newest = NULL;
	dependencies->identities = NULL;
	if (set && set->count && !make_lists(dependencies, set))
		log_event(LOG_LEVEL_ERROR, "dependency", "no memory for %u dependencies", set->count);
	board_load(dependencies);
	take_as_told(dependencies);
	move_newest(dependencies, before.set, before.newest, before.identities);
	free_lists(&before);
	dependencies->plan_due = dependencies->set != NULL;
}

static bool any_hard(const struct dependency_set *set)
{
	for (unsigned i = 0; i < set->count; i++)
		if (set->list[i].class == DEPENDENCY_HARD)
			return true;
	return false;
}

static void say_what_soft_means(struct dependencies *dependencies)
{
	if (dependencies->said_soft || !dependencies->set || any_hard(dependencies->set))
		return;
	log_event(LOG_LEVEL_INFO, "dependency",
		"no dependency is hard: none of them makes readyz fail (class: hard gates, soft degrades, info reports)");
	dependencies->said_soft = true;
}

void dependencies_configure(struct dependencies *dependencies, const struct settings *settings)
{
	const struct dependency_set *set = settings_dependencies();
	uint64_t now = dependencies->set ? dependencies->set->epoch : 0, next = set && set->count ? set->epoch : 0;
	int64_t period = ns_of(settings->readiness.period_seconds), timeout = ns_of(settings->readiness.timeout_seconds);
	int64_t stale = 2 * period + timeout;

	if (settings->dependencies == 0)
		next = 0;
	if (period != dependencies->period_ns || timeout != dependencies->timeout_ns)
		dependencies->plan_due = dependencies->set != NULL;
	dependencies->period_ns = period;
	dependencies->timeout_ns = timeout;
	dependencies->fast_ns = ns_of(settings->readiness.fast_seconds);
	dependencies->limits = (struct dependency_limits){.failure_threshold = settings->readiness.failure_threshold,
		.success_threshold = settings->readiness.success_threshold,
		.stale_ns = stale > STALE_LEAST_NS ? stale : STALE_LEAST_NS,
		.all_hard_down = settings->readiness.all_hard_down,
		.peer_share = settings->readiness.peers[0] ? settings->readiness.peer_share : 0,
		.peers_failing = -1,
		.peers_wait_ns = 2 * timeout + dependencies->fast_ns};
	if (next != now)
		take_set(dependencies, next ? set : NULL);
	say_what_soft_means(dependencies);
	dependencies->generation++;
}
