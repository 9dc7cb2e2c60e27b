/* SPDX-License-Identifier: Apache-2.0 */
#include "supervise/members.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "supervise/whose.h"

/* An ended service is shown as such for this long, unless it is started again. */
#define FORGET_NS (300 * NS_PER_SECOND)

#define TURN_NS (10 * NS_PER_MS) /* of a tick's 250: what all services together may take */
#define STAYS_NS NS_PER_SECOND

enum { EVENTS = 64, FDS_A_MEMBER = 3, FDS_KEPT = 256 };

#define TELL_EVERY_NS (60 * NS_PER_SECOND)

/* So many that descriptors stay for those who ask, for the agent and for the log. */
static unsigned room_for_members(void)
{
	struct rlimit limit;
	rlim_t most = MEMBERS;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < MEMBERS * FDS_A_MEMBER + FDS_KEPT)
		most = limit.rlim_cur > FDS_KEPT + FDS_A_MEMBER ? (limit.rlim_cur - FDS_KEPT) / FDS_A_MEMBER : 1;
	return (unsigned)most;
}

int members_open(struct members *out, unsigned slots)
{
	*out = (struct members){.slots = slots, .self = getpid(), .next_id = 1, .most = room_for_members()};
	out->events = epoll_create1(EPOLL_CLOEXEC);
	return out->events < 0 ? -errno : 0;
}

void members_close(struct members *members)
{
	for (unsigned i = 0; i < members->count; i++) {
		member_drop(members->all[i]);
		free(members->all[i]);
	}
	free(members->all);
	free(members->gone);
	if (members->events >= 0)
		close(members->events);
	*members = (struct members){.events = -1};
}

void members_leave(struct members *members)
{
	close(members->events);
	for (unsigned i = 0; i < members->count; i++) {
		struct member *member = members->all[i];

		segment_unmap(&member->segment);
		close(member->segment.fd);
		close(member->notebook_fd);
		if (member->pidfd >= 0)
			close(member->pidfd);
	}
}

/* ---- ends */

static void watch_end(const struct members *members, const struct member *member)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.u64 = member->news.service};

	if (member->pidfd >= 0)
		(void)epoll_ctl(members->events, EPOLL_CTL_ADD, member->pidfd, &event); /* else the tick sees it */
}

static struct member *find_id(const struct members *members, uint64_t id)
{
	for (unsigned m = 0; m < members->count; m++) {
		if (members->all[m]->news.service == id)
			return members->all[m];
	}
	return NULL;
}

static void look(struct members *members, struct member *member, int64_t mono)
{
	pid_t before = member->news.main_pid;

	if (!member_look(member, mono))
		return;
	if (member->ended && member->announced)
		log_event(LOG_LEVEL_INFO, "join", "%s has ended (pid %d)", member->news.name, before);
	else if (!member->ended)
		watch_end(members, member);
}

void members_take_events(struct members *members)
{
	struct epoll_event events[EVENTS];
	int count = epoll_wait(members->events, events, EVENTS, 0);

	for (int i = 0; i < count; i++) {
		struct member *member = find_id(members, events[i].data.u64);

		if (member)
			look(members, member, clock_mono_ns());
	}
}

/* ---- names */

static struct member *find_name(const struct members *members, const char *name)
{
	for (unsigned m = 0; m < members->count; m++) {
		if (strcmp(members->all[m]->news.name, name) == 0)
			return members->all[m];
	}
	return NULL;
}

/* NAME, or NAME-2 and so on; 0 is NAME itself. */
static void number_name(char out[SERVICE_NAME_BYTES], const char *base, unsigned number)
{
	char tail[16] = "";

	if (number)
		(void)snprintf(tail, sizeof(tail), "-%u", number + 1);
	(void)snprintf(out, SERVICE_NAME_BYTES, "%.*s%s", (int)(SERVICE_NAME_BYTES - 1 - strlen(tail)), base, tail);
}

/* One that nobody has, or whose owner is over and was of the same user: that one in `*before`. */
static void find_free_name(struct members *members, const char *base, uid_t uid, char out[SERVICE_NAME_BYTES],
	struct member **before)
{
	for (unsigned number = 0;; number++) {
		number_name(out, base, number);
		*before = find_name(members, out);
		if (!*before)
			return;
		look(members, *before, clock_mono_ns()); /* restarted at once: its end may not have been seen yet */
		if ((*before)->uid == uid && member_is_over(*before))
			return;
	}
}

static void base_name(const struct join_hello *hello, char out[SERVICE_NAME_BYTES])
{
	settings_name_service(out, hello->service[0] ? hello->service : hello->program[0] ? hello->program : "service");
}

/* ---- joining */

static bool make_room(struct members *members)
{
	unsigned room = members->room ? members->room * 2 : 16;
	struct member **grown;

	if (members->count < members->room)
		return true;
	grown = realloc(members->all, room * sizeof(struct member *));
	if (!grown)
		return false;
	members->all = grown;
	members->room = room;
	return true;
}

static unsigned count_of(const struct members *members, uid_t uid)
{
	unsigned count = 0;

	for (unsigned m = 0; m < members->count; m++)
		count += members->all[m]->uid == uid;
	return count;
}

/* A stranger may fill his own share, not everybody's. */
static bool is_too_many(const struct members *members, uid_t uid)
{
	return members->count >= members->most || (uid != 0 && uid != geteuid() && count_of(members, uid) >= MEMBERS_OF_A_STRANGER);
}

static struct member *refuse(struct members *members, const char *name, int error)
{
	int64_t now = clock_mono_ns();

	members->refused++;
	if (members->refused_told && now - members->refused_told < TELL_EVERY_NS)
		return NULL;
	log_event(LOG_LEVEL_WARN, "join", "%s cannot join: %s (%u so far); it runs on, unwatched", name,
		error == -EDQUOT ? "too many services" : strerror(-error), members->refused);
	members->refused_told = now;
	return NULL;
}

static struct member *add(struct members *members, const struct member_claim *claim)
{
	struct member *made = make_room(members) ? malloc(sizeof(*made)) : NULL;
	int ret = made ? member_make(made, members->next_id, members->slots, claim) : -ENOMEM;

	if (ret < 0) {
		free(made);
		return refuse(members, claim->name, ret);
	}
	members->next_id++;
	members->all[members->count++] = made;
	return made;
}

static struct member *take_over(struct members *members, struct member *before, const struct member_claim *claim)
{
	int ret = member_take_over(before, members->slots, claim);

	if (ret < 0)
		return refuse(members, claim->name, ret);
	return before;
}

/* Of a command that comes and goes the log says nothing: only of who was named, or stays. */
static void announce(struct member *member)
{
	log_event(LOG_LEVEL_INFO, "join", "%s %s (pid %d, user %u)", member->news.name, member->anew ? "was started anew" : "has joined",
		member->news.main_pid, member->uid);
	member->announced = true;
}

static struct member *begin(struct members *members, struct member_claim *claim, const struct join_hello *hello)
{
	char base[SERVICE_NAME_BYTES], name[SERVICE_NAME_BYTES];
	struct member *before, *member;

	base_name(hello, base);
	find_free_name(members, base, claim->peer.uid, name, &before);
	claim->name = name;
	claim->named = hello->service[0] && strcmp(name, base) == 0;
	if (!before && is_too_many(members, claim->peer.uid))
		member = refuse(members, name, -EDQUOT);
	else
		member = before ? take_over(members, before, claim) : add(members, claim);
	if (!member && claim->peer.pidfd >= 0)
		close(claim->peer.pidfd);
	if (!member)
		return NULL;
	watch_end(members, member);
	return member;
}

/* The main process has become another program: where its name came from the program, it has a new one. */
static void follow_program(struct members *members, struct member *member, const struct join_hello *hello)
{
	char base[SERVICE_NAME_BYTES], name[SERVICE_NAME_BYTES];
	struct member *before;

	base_name(hello, base);
	if (strncmp(member->news.name, base, strlen(base)) == 0)
		return; /* with or without a number */
	find_free_name(members, base, member->uid, name, &before);
	if (before)
		return; /* one that has ended still stands for it */
	(void)snprintf(member->news.name, sizeof(member->news.name), "%s", name);
	member->told = false;
}

/* Ends that nobody tells of: no pidfd, or an heir that is waited for. */
static void look_at_the_doubtful(struct members *members, int64_t mono)
{
	for (unsigned m = 0; m < members->count; m++) {
		struct member *member = members->all[m];

		if (!member->ended && (member->main_gone || member->pidfd < 0))
			look(members, member, mono);
	}
}

struct member *members_admit(struct members *members, const struct peer *peer, const struct join_hello *hello)
{
	struct member_claim claim = {.peer = *peer};
	struct member *member;

	members_take_events(members); /* who has just ended is no ancestor */
	look_at_the_doubtful(members, clock_mono_ns());
	member = whose_process(members, peer);
	if (!member)
		return begin(members, &claim, hello);
	if (peer->pidfd >= 0)
		close(peer->pidfd);
	if (peer->pid && peer->pid == member->news.main_pid)
		follow_program(members, member, hello);
	return member;
}

int members_adopt(struct members *members, const struct segment *segment, struct member_claim *claim)
{
	struct member *member = make_room(members) ? malloc(sizeof(*member)) : NULL;
	int ret = !member ? -ENOMEM : find_name(members, claim->name) ? -EEXIST : 0;

	claim->peer.pidfd = (int)syscall(SYS_pidfd_open, claim->peer.pid, 0); /* -1: /proc is asked */
	if (ret == 0)
		ret = member_adopt(member, members->next_id, segment, claim);
	if (ret < 0) {
		free(member);
		if (claim->peer.pidfd >= 0)
			close(claim->peer.pidfd);
		return ret;
	}
	members->next_id++;
	members->all[members->count++] = member;
	member->announced = true; /* by whoever found it */
	watch_end(members, member);
	return 0;
}

/* ---- as time goes by */

static void forget(struct members *members, unsigned index)
{
	struct member *member = members->all[index];

	if (members->gone_count == members->gone_room) {
		unsigned room = members->gone_room ? members->gone_room * 2 : 16;
		uint32_t *grown = realloc(members->gone, room * sizeof(*grown));

		if (!grown)
			return; /* at another tick */
		members->gone = grown;
		members->gone_room = room;
	}
	members->gone[members->gone_count++] = member->news.service;
	if (member->announced)
		log_event(LOG_LEVEL_INFO, "join", "%s is forgotten: it ended 5 minutes ago", member->news.name);
	on_dead_forget(members->on_dead, &member->news);
	member_drop(member);
	free(member);
	members->all[index] = members->all[--members->count];
}

/* Slots of the dead, of as many members as there is time for; the rest at the next ticks. */
static void free_the_dead(struct members *members, int64_t boot)
{
	int64_t until = clock_mono_ns() + TURN_NS;

	for (unsigned i = 0; i < members->count && clock_mono_ns() < until; i++)
		member_tick(members->all[members->turn++ % members->count], boot);
}

void members_tick(struct members *members)
{
	int64_t mono = clock_mono_ns(), boot = clock_boot_ns();

	look_at_the_doubtful(members, mono);
	free_the_dead(members, boot);
	for (unsigned m = members->count; m-- > 0;) {
		struct member *member = members->all[m];

		if (!member->announced && (member->news.named || (!member->ended && mono - member->began > STAYS_NS)))
			announce(member); /* not when it joins: it waits for its answer, and a log may be slow */
		if (member->ended && mono - member->ended > FORGET_NS)
			forget(members, m);
	}
}
