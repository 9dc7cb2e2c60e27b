/* SPDX-License-Identifier: Apache-2.0 */
#include "supervise/member.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "supervise/mapping.h"
#include "watch/notebook.h"
#include "watch/procfs.h"

/* A service that daemonizes: how long its child may take to show itself by a wrapped call. */
#define SUCCESSOR_NS (NS_PER_SECOND / 2)

/* /proc rounds starts down to a clock tick; for reads across one. */
#define START_SLACK_NS (20 * NS_PER_MS)

static void stop_keeping(struct member *member)
{
	reclaim_stop(&member->reclaim);
	roster_close(&member->roster);
}

static int start_keeping(struct member *member)
{
	int ret = roster_open(&member->roster, &member->segment);

	if (ret == 0)
		ret = reclaim_start(&member->reclaim, &member->segment);
	if (ret < 0)
		stop_keeping(member);
	return ret;
}

static int open_segment(struct member *member, unsigned slots)
{
	int ret = segment_make(&member->segment, slots);

	if (ret < 0)
		return ret;
	ret = start_keeping(member);
	if (ret < 0)
		segment_drop(&member->segment);
	return ret;
}

static int64_t start_of(pid_t pid)
{
	struct proc_stat stat;

	return pid > 0 && proc_thread_stat(pid, pid, &stat) == 0 ? (int64_t)stat.start_ns : clock_boot_ns();
}

/* FNV-1a of /proc/PID/cgroup. */
static uint64_t cgroup_of(pid_t pid)
{
	uint64_t sum = UINT64_C(0xcbf29ce484222325);
	char path[64], text[4096];

	(void)snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	if (pid <= 0 || proc_read(path, text, sizeof(text)) <= 0)
		return 0;
	for (const char *at = text; *at; at++)
		sum = (sum ^ (unsigned char)*at) * UINT64_C(0x100000001b3);
	return sum;
}

static void take_claim(struct member *member, const struct member_claim *claim)
{
	struct supervisor_news *news = &member->news;

	(void)snprintf(news->name, sizeof(news->name), "%s", claim->name);
	news->named = claim->named;
	news->unseen_pids = claim->peer.unseen;
	news->main_pid = claim->peer.pid;
	news->main_started = start_of(claim->peer.pid);
	news->main_ended = 0;
	member->pidfd = claim->peer.pidfd;
	member->uid = claim->peer.uid;
	member->pid_namespace = claim->peer.pid_namespace;
	member->cgroup = cgroup_of(claim->peer.pid);
	member->began = clock_mono_ns();
	member->main_gone = member->ended = 0;
	member->told = member->introduced = member->announced = false;
}

static void begin(struct member *out, uint32_t id)
{
	*out = (struct member){.segment.fd = -1, .notebook_fd = -1, .pidfd = -1};
	out->news = (struct supervisor_news){.version = SUPERVISOR_NEWS_VERSION, .kind = NEWS_STATE, .service = id, .joined = clock_boot_ns()};
}

/* With its segment there. */
static int finish(struct member *out, const struct member_claim *claim)
{
	out->notebook_fd = notebook_create(out->segment.slot_count);
	if (out->notebook_fd < 0)
		return out->notebook_fd;
	take_claim(out, claim);
	return 0;
}

int member_make(struct member *out, uint32_t id, unsigned slots, const struct member_claim *claim)
{
	int ret;

	begin(out, id);
	ret = open_segment(out, slots);
	if (ret < 0)
		return ret;
	ret = finish(out, claim);
	if (ret < 0)
		member_drop(out);
	return ret;
}

int member_adopt(struct member *out, uint32_t id, const struct segment *segment, const struct member_claim *claim)
{
	int ret;

	begin(out, id);
	out->segment = *segment;
	ret = start_keeping(out);
	if (ret == 0)
		ret = finish(out, claim);
	if (ret == 0)
		return 0;
	stop_keeping(out); /* the segment stays the caller's */
	return ret;
}

static void close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void member_drop(struct member *member)
{
	stop_keeping(member);
	segment_drop(&member->segment);
	close_one(&member->notebook_fd);
	close_one(&member->pidfd);
}

int member_take_over(struct member *member, unsigned slots, const struct member_claim *claim)
{
	struct member next = *member;
	int ret = open_segment(&next, slots);

	if (ret < 0)
		return ret;
	next.reclaim.segment = &member->segment;
	stop_keeping(member);
	segment_drop(&member->segment);
	close_one(&member->pidfd);
	*member = next;
	take_claim(member, claim);
	member->anew = true;
	return 0;
}

static pid_t pid_of(uint64_t claim)
{
	return (pid_t)(claim & UINT32_MAX);
}

static uint64_t load(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE); /* partner: the release of whoever claimed */
}

bool member_is_main(const struct member *member, pid_t pid, uint64_t start_ns)
{
	return pid > 0 && pid == member->news.main_pid && !member->main_gone && !member->ended &&
	       (int64_t)start_ns <= member->news.main_started + START_SLACK_NS;
}

bool member_may_hold(struct member *member, pid_t pid, uint64_t start_ns)
{
	return !member->ended && !member->news.unseen_pids && roster_has(&member->roster, &member->segment, pid, start_ns);
}

bool member_holds_unseen(const struct member *member, uint32_t pid)
{
	if (!member->news.unseen_pids || member->ended || pid == 0)
		return false;
	for (uint32_t i = 0; i < member->segment.process_count; i++) {
		if ((uint32_t)load(&member->segment.processes[i].claim) == pid)
			return true;
	}
	return false;
}

bool member_may_have_left(const struct member *member, pid_t pid)
{
	return member->main_gone || getsid(pid) == getsid(member->news.main_pid);
}

bool member_is_alike(const struct member *member, pid_t pid)
{
	struct proc_ids ids;

	return proc_ids_read(pid, &ids) == 0 && ids.uid == member->uid && cgroup_of(pid) == member->cgroup;
}

static bool main_is_gone(const struct member *member)
{
	struct pollfd main = {.fd = member->pidfd, .events = POLLIN};
	struct proc_stat stat;

	if (member->pidfd >= 0)
		return poll(&main, 1, 0) > 0;
	if (member->news.unseen_pids && !member->news.main_pid)
		return false; /* nothing of it can be asked: unknown, not gone */
	if (proc_thread_stat(member->news.main_pid, member->news.main_pid, &stat) < 0)
		return kill(member->news.main_pid, 0) < 0 && errno == ESRCH;
	return (stat.state == 'Z' && stat.threads <= 1) || (int64_t)stat.start_ns > member->news.main_started + START_SLACK_NS;
}

struct heir {
	pid_t pid;
	bool leads;
	uint64_t start_ns;
};

/* Dear, and asked only of one that would be the heir: it has the segment, or who may not be looked into is alike. */
static bool is_of(const struct member *member, pid_t pid)
{
	enum mapping mapping = mapping_find(pid, member->reclaim.inode);

	return mapping == MAPPING_THERE || (mapping == MAPPING_UNKNOWN && member_is_alike(member, pid));
}

static void consider(const struct member *member, struct heir *heir, pid_t pid, uint64_t stamp)
{
	struct proc_stat stat;
	bool leads;

	if (pid <= 0 || proc_thread_stat(pid, pid, &stat) < 0 || (stat.state == 'Z' && stat.threads <= 1) ||
		stat.start_ns > stamp + START_SLACK_NS)
		return;
	leads = stat.session == pid;
	if (heir->pid && (leads < heir->leads || (leads == heir->leads && stat.start_ns >= heir->start_ns)))
		return;
	if (is_of(member, pid))
		*heir = (struct heir){pid, leads, stat.start_ns};
}

static struct heir find_heir(const struct member *member)
{
	struct heir heir = {0};

	for (uint32_t i = 0; i < member->segment.process_count && !member->news.unseen_pids; i++) {
		const struct segment_process *entry = &member->segment.processes[i];
		pid_t pid = pid_of(load(&entry->claim));

		if (pid != member->news.main_pid)
			consider(member, &heir, pid, load(&entry->stamp));
	}
	return heir;
}

static void inherit(struct member *member, const struct heir *heir)
{
	close_one(&member->pidfd);
	member->pidfd = (int)syscall(SYS_pidfd_open, heir->pid, 0); /* -1: /proc is asked */
	member->news.main_pid = heir->pid;
	member->news.main_started = (int64_t)heir->start_ns;
	member->main_gone = 0;
	member->told = false;
}

bool member_look(struct member *member, int64_t mono)
{
	struct heir heir;

	if (member->ended || !main_is_gone(member))
		return false;
	heir = find_heir(member);
	if (heir.pid) {
		inherit(member, &heir);
		return true;
	}
	if (!member->main_gone)
		member->main_gone = mono;
	if (mono - member->main_gone < SUCCESSOR_NS)
		return false;
	member->ended = mono;
	member->news.main_ended = 1;
	member->told = false;
	close_one(&member->pidfd);
	return true;
}

bool member_is_over(const struct member *member)
{
	return member->ended || member->main_gone;
}

void member_tick(struct member *member, int64_t boot)
{
	segment_keep_geometry(&member->segment);
	member->reclaim.blind = member->news.unseen_pids;
	member->reclaim.of_many = true;
	reclaim_tick(&member->reclaim, boot);
	segment_keep_clock(&member->segment, boot - clock_mono_ns());
}
