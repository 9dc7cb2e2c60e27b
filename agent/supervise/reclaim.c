/* SPDX-License-Identifier: Apache-2.0 */
#include "supervise/reclaim.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "supervise/mapping.h"
#include "watch/procfs.h"

enum fate { FATE_FREE, FATE_NEW, FATE_LIVES, FATE_GONE };

/* Reading a stat file costs some 10 us: so many a look; all of them once somebody was refused an entry. */
enum { STATS_A_LOOK = 64, TASKS_A_LOOK = 64, TASKS_WHEN_HALF_FULL = 1024, MAPS_A_LOOK = 8 };

/* Where nobody claims, nobody frees and the kernel counts as many threads as before, slots are looked at so rarely. */
enum { SLOTS_EVERY = 32 };

#define SETTLED_NS (4 * NS_PER_SECOND) /* between looks at one of many */

/* Rest between looks, in times of what the last one took: a service that keeps the segment full costs so much at most. */
enum { REST = 8 };

/* /proc rounds starts down to a clock tick, so an owner never seems late; this is for reads across a tick. */
#define START_SLACK_NS (20 * NS_PER_MS)

static uint64_t load(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE); /* partner: the release of whoever claimed */
}

/* Dear checks of one look; the next look goes on where this one had to stop. */
struct budget {
	uint32_t left;
	uint32_t *next;
};

static bool may_spend(struct budget *budget, uint32_t index)
{
	if (budget->left == 0)
		return false;
	if (--budget->left == 0)
		*budget->next = index + 1;
	return true;
}

static pid_t pid_of(uint64_t claim)
{
	return (pid_t)(claim & UINT32_MAX);
}

int reclaim_start(struct reclaim *out, struct segment *segment)
{
	struct stat status;

	*out = (struct reclaim){.segment = segment};
	out->process_seen = calloc(segment->process_count, sizeof(uint64_t));
	out->process_now = calloc(segment->process_count, sizeof(uint64_t));
	out->slot_seen = calloc(segment->slot_count, sizeof(uint64_t));
	out->process_fate = calloc(segment->process_count, sizeof(uint8_t));
	out->process_name = calloc(segment->process_count, sizeof(*out->process_name));
	if (fstat(segment->fd, &status) == 0)
		out->inode = status.st_ino;
	if (out->process_seen && out->process_now && out->slot_seen && out->process_fate && out->process_name)
		return 0;
	reclaim_stop(out);
	return -ENOMEM;
}

void reclaim_stop(struct reclaim *reclaim)
{
	free(reclaim->process_seen);
	free(reclaim->process_now);
	free(reclaim->slot_seen);
	free(reclaim->process_fate);
	free(reclaim->process_name);
	*reclaim = (struct reclaim){0};
}

static bool take(uint64_t *claim, uint64_t seen)
{
	return __atomic_compare_exchange_n(claim, &seen, RECLAIM_TAKEN, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

/* `entries` and `base` stay: G2. */
static void free_slot(struct reclaim *reclaim, struct segment_slot *slot, uint64_t seen)
{
	if (!take(&slot->claim, seen))
		return;
	__atomic_store_n(&slot->call, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&slot->nested, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&slot->container, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&slot->tid, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&slot->claim, 0, __ATOMIC_RELEASE); /* partner: the next claim */
	__atomic_fetch_add(&reclaim->segment->header->threads_ended, 1, __ATOMIC_RELAXED);
}

static void free_process(struct segment_process *process, uint64_t seen)
{
	if (!take(&process->claim, seen))
		return;
	__atomic_store_n(&process->stamp, 0, __ATOMIC_RELAXED); /* of nobody until the next owner writes its own */
	__atomic_store_n(&process->claim, 0, __ATOMIC_RELEASE);
}

void reclaim_zombie(struct reclaim *reclaim, pid_t pid)
{
	struct segment *segment = reclaim->segment;
	bool known = false;

	if (!segment)
		return;
	for (uint32_t i = 0; i < segment->process_count && !known; i++)
		known = pid_of(load(&segment->processes[i].claim)) == pid;
	if (!known)
		return; /* every slot has its process entry: most children cost this one pass */
	for (uint32_t i = 0; i < segment->slot_count; i++) {
		uint64_t claim = load(&segment->slots[i].claim);

		if (claim && pid_of(claim) == pid)
			free_slot(reclaim, &segment->slots[i], claim);
	}
	for (uint32_t i = 0; i < segment->process_count; i++) {
		uint64_t claim = load(&segment->processes[i].claim);

		if (claim && pid_of(claim) == pid)
			free_process(&segment->processes[i], claim);
	}
}

/* An exec changes the name, so that is when the dearest check is made; and once for whoever is new. */
static bool has_lost_segment(struct reclaim *reclaim, uint32_t index, pid_t pid, const char *name)
{
	char *known = reclaim->process_name[index];

	if (strncmp(known, name, RECLAIM_NAME) == 0 || reclaim->maps_left == 0 || reclaim->inode == 0)
		return false;
	reclaim->maps_left--;
	(void)snprintf(known, RECLAIM_NAME, "%s", name);
	return mapping_find(pid, reclaim->inode) == MAPPING_GONE;
}

/* Began after the claim, is a zombie all of whose threads have ended, or has become another program. */
static bool is_another(struct reclaim *reclaim, uint32_t index, pid_t pid)
{
	uint64_t stamp = load(&reclaim->segment->processes[index].stamp);
	struct proc_stat stat;

	if (proc_thread_stat(pid, pid, &stat) < 0)
		return false; /* unreadable proves nothing */
	reclaim->threads_now += stat.threads;
	return stat.start_ns > stamp + START_SLACK_NS || (stat.state == 'Z' && stat.threads <= 1) ||
		has_lost_segment(reclaim, index, pid, stat.name);
}

static bool is_gone(pid_t pid)
{
	return pid > 0 && kill(pid, 0) < 0 && errno == ESRCH;
}

/* A pid that claimed again has exec'ed: what it was before is gone. Its later stamp is the proof. */
static bool is_superseded(const struct reclaim *reclaim, uint32_t index, pid_t pid)
{
	const struct segment_process *processes = reclaim->segment->processes;
	uint64_t stamp = load(&processes[index].stamp);

	for (uint32_t i = 0; i < reclaim->segment->process_count; i++) {
		if (i != index && pid_of(reclaim->process_now[i]) == pid && load(&processes[i].stamp) > stamp)
			return true;
	}
	return false;
}

/* True if nothing has changed for so long that every slot has been looked at, thoroughly. */
static bool is_settled(const struct reclaim *reclaim)
{
	return reclaim->settled > 2 + reclaim->slots / TASKS_A_LOOK;
}

/* Whoever writes the segment may feign it, and hides what it left behind itself: until the next look at all. */
static bool is_quiet(struct reclaim *reclaim, bool all_asked)
{
	const struct segment_header *header = reclaim->segment->header;
	const uint64_t now[] = {load(&header->threads_started), load(&header->threads_ended), load(&header->threads_refused)};
	bool same = all_asked && !reclaim->restless && reclaim->threads == reclaim->threads_now &&
		memcmp(now, reclaim->counted, sizeof(now)) == 0;

	memcpy(reclaim->counted, now, sizeof(now));
	reclaim->threads = reclaim->threads_now;
	reclaim->settled = same ? reclaim->settled + 1 : 0;
	return is_settled(reclaim) && ++reclaim->spared % SLOTS_EVERY;
}

static enum fate judge_process(struct reclaim *reclaim, uint32_t index, struct budget *stats)
{
	uint64_t claim = reclaim->process_now[index];
	pid_t pid = pid_of(claim);

	if (!claim)
		return FATE_FREE;
	reclaim->processes++;
	if (claim != reclaim->process_seen[index]) {
		reclaim->process_name[index][0] = '\0';
		return FATE_NEW;
	}
	if (pid <= 0 || is_superseded(reclaim, index, pid) || (!reclaim->blind && is_gone(pid)))
		return FATE_GONE;
	if (!reclaim->blind && may_spend(stats, index) && is_another(reclaim, index, pid))
		return FATE_GONE;
	return FATE_LIVES;
}

static bool task_is_gone(pid_t pid, pid_t tid, uint64_t stamp)
{
	struct proc_stat stat;
	int ret = proc_thread_stat(pid, tid, &stat);

	if (ret == -ENOENT || ret == -ESRCH) /* of a thread; without /proc the process would not be found either */
		return proc_thread_stat(pid, pid, &stat) == 0 || is_gone(pid);
	return ret == 0 && stat.start_ns > stamp + START_SLACK_NS;
}

static void judge_slot(struct reclaim *reclaim, uint32_t index, struct budget *tasks)
{
	struct segment *segment = reclaim->segment;
	struct segment_slot *slot = &segment->slots[index];
	uint64_t claim = load(&slot->claim), seen = reclaim->slot_seen[index];
	uint32_t home = __atomic_load_n(&slot->process, __ATOMIC_RELAXED) & (segment->process_count - 1);
	uint32_t tid = __atomic_load_n(&slot->tid, __ATOMIC_RELAXED);
	pid_t pid = pid_of(claim);
	bool has_home = pid > 0 && pid_of(reclaim->process_now[home]) == pid;

	reclaim->slot_seen[index] = claim;
	if (!claim)
		return;
	reclaim->slots++;
	if (claim != seen || (has_home && reclaim->process_fate[home] == FATE_NEW)) {
		if (has_home && reclaim->process_fate[home] == FATE_GONE)
			reclaim->process_fate[home] = FATE_LIVES; /* until this slot, too, has stood for a look */
		return;
	}
	if (has_home ? reclaim->process_fate[home] == FATE_GONE : pid <= 0 || (!reclaim->blind && is_gone(pid))) /* no shim claims for 0 */
		free_slot(reclaim, slot, claim);
	else if (!reclaim->blind && has_home && tid && may_spend(tasks, index) && task_is_gone(pid, (pid_t)tid, load(&slot->stamp)))
		free_slot(reclaim, slot, claim);
}

void reclaim_look(struct reclaim *reclaim, bool urgent)
{
	struct segment *segment = reclaim->segment;
	bool half_full = reclaim->slots > segment->slot_count / 2;
	uint32_t first_process = reclaim->next_process, first_slot = reclaim->next_slot;
	struct budget stats = {urgent ? UINT32_MAX : STATS_A_LOOK, &reclaim->next_process};
	struct budget tasks = {half_full ? TASKS_WHEN_HALF_FULL : TASKS_A_LOOK, &reclaim->next_slot};
	uint64_t *seen = reclaim->process_seen;

	if (urgent)
		tasks.left = UINT32_MAX;
	reclaim->maps_left = MAPS_A_LOOK;
	reclaim->processes = 0;
	reclaim->threads_now = 0;
	reclaim->restless = urgent;
	for (uint32_t i = 0; i < segment->process_count; i++)
		reclaim->process_now[i] = load(&segment->processes[i].claim);
	for (uint32_t i = 0; i < segment->process_count; i++) {
		uint32_t index = (first_process + i) & (segment->process_count - 1);

		reclaim->process_fate[index] = (uint8_t)judge_process(reclaim, index, &stats);
		reclaim->restless |= reclaim->process_fate[index] == FATE_NEW || reclaim->process_fate[index] == FATE_GONE;
	}
	if (!is_quiet(reclaim, stats.left > 0)) {
		reclaim->slots = 0;
		for (uint32_t i = 0; i < segment->slot_count; i++)
			judge_slot(reclaim, (first_slot + i) & (segment->slot_count - 1), &tasks);
	}
	for (uint32_t i = 0; i < segment->process_count; i++) {
		if (reclaim->process_fate[i] == FATE_GONE)
			free_process(&segment->processes[i], reclaim->process_now[i]);
	}
	reclaim->process_seen = reclaim->process_now;
	reclaim->process_now = seen;
}

void reclaim_tick(struct reclaim *reclaim, int64_t now)
{
	struct segment *segment = reclaim->segment;
	uint64_t refused;
	int64_t before = clock_boot_ns();

	if (!segment || now - reclaim->looked < reclaim->cost * REST)
		return;
	refused = load(&segment->header->threads_refused) + load(&segment->header->processes_refused);
	if (now - reclaim->looked < (reclaim->of_many && is_settled(reclaim) ? SETTLED_NS : NS_PER_SECOND) && refused == reclaim->refused_seen &&
		reclaim->processes <= segment->process_count / 2)
		return;
	reclaim_look(reclaim, refused != reclaim->refused_seen);
	reclaim->refused_seen = refused;
	reclaim->looked = now;
	reclaim->cost = clock_boot_ns() - before;
}
