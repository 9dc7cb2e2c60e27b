/* SPDX-License-Identifier: Apache-2.0 */
#include "supervise/kin.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "watch/procfs.h"

enum { GENERATIONS = 256, CHILDREN_BYTES = 65536 };

void kin_add_helper(struct kin_helpers *helpers, pid_t group)
{
	helpers->groups[helpers->next++ % KIN_HELPERS] = group;
}

void kin_forget_helpers(struct kin_helpers *helpers, pid_t current)
{
	for (unsigned i = 0; i < KIN_HELPERS; i++) {
		pid_t group = helpers->groups[i];

		if (group && group != current && kill(-group, 0) < 0 && errno == ESRCH)
			helpers->groups[i] = 0;
	}
}

bool kin_is_helper(const struct kin_helpers *helpers, pid_t pid)
{
	pid_t group = getpgid(pid);

	for (unsigned i = 0; i < KIN_HELPERS; i++) {
		if (helpers->groups[i] && (helpers->groups[i] == group || helpers->groups[i] == pid))
			return true;
	}
	return false;
}

bool kin_is_service(const struct kin_helpers *helpers, pid_t self, pid_t pid)
{
	for (int i = 0; i < GENERATIONS && pid > 0 && pid != self; i++) {
		struct proc_stat stat;

		if (kin_is_helper(helpers, pid) || proc_thread_stat(pid, pid, &stat) < 0)
			return false;
		pid = stat.parent;
		if (pid == self)
			return true;
	}
	return false;
}

struct search {
	const struct kin_helpers *helpers;
	pid_t self;
	struct kin_elder elder;
};

static void consider(pid_t pid, void *context)
{
	struct search *search = context;
	struct kin_elder *elder = &search->elder;
	struct proc_stat stat;
	bool leads;

	if (proc_thread_stat(pid, pid, &stat) < 0 || stat.parent != search->self)
		return;
	if ((stat.state == 'Z' && stat.threads <= 1) || kin_is_helper(search->helpers, pid))
		return;
	leads = stat.session == pid;
	if (elder->pid && (leads < elder->leads_session ||
		(leads == elder->leads_session && (int64_t)stat.start_ns >= elder->started)))
		return;
	*elder = (struct kin_elder){.pid = pid, .leads_session = leads, .started = (int64_t)stat.start_ns};
}

/* One small file instead of all of /proc, where the kernel has it. Only we remove from that list, by reaping. */
static int each_child(struct search *search)
{
	static char text[CHILDREN_BYTES]; /* owner: the supervisor's only thread */
	char path[64], *at = text, *end;
	ssize_t got;

	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", search->self);
	got = proc_read(path, text, sizeof(text));
	if (got < 0 || got == sizeof(text) - 1)
		return -1;
	for (long pid = strtol(at, &end, 10); end != at; pid = strtol(at, &end, 10)) {
		consider((pid_t)pid, search);
		at = end;
	}
	return 0;
}

struct kin_elder kin_find_elder(const struct kin_helpers *helpers, pid_t self)
{
	struct search search = {.helpers = helpers, .self = self};

	if (each_child(&search) < 0)
		(void)proc_each(consider, &search); /* no /proc: no children that we could know of */
	return search.elder;
}
