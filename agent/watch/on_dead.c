/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/on_dead.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "watch/history.h"
#include "watch/service.h"

/* What the supervisor may take longer than the command's own time. */
#define ANSWER_NS NS_PER_SECOND

/* A death that the agent before this one saw is over when this one has not seen it for so long: longer than any proof takes
 * that is not of hours. */
#define FORGET_NS (300 * NS_PER_SECOND)

static enum reason_code find_reason(const struct reason_list *live, enum held_code held)
{
	for (unsigned i = 0; i < live->count; i++) {
		if (live->items[i].held == held && !live->items[i].minor)
			return live->items[i].code;
	}
	return REASON_NONE;
}

/* ---- whom the reason names */

static int32_t slot_of_proof(const struct service *service)
{
	const struct proofs *proofs = &service->proofs;

	unsigned at = 0;

	for (unsigned i = proofs->knot_count; i--;) {
		if (proofs->knots[i].critical)
			at = i; /* the first that counts, else the first */
	}
	return proofs->knot_count ? (int32_t)service->slots.order[proofs->knots[at].first] : LADDER_NOBODY;
}

static int32_t slot_of(const struct service *service, enum reason_code reason)
{
	const struct ladder_out *found = &service->progress.out;

	if (reason == REASON_DEADLOCK || reason == REASON_ORPHANED_LOCK)
		return slot_of_proof(service);
	for (unsigned i = 0; i < found->count; i++) {
		if (ladder_code(found->findings[i].row) == reason)
			return found->findings[i].stand.thread;
	}
	return LADDER_NOBODY;
}

/* ---- to the supervisor */

static bool say(const struct service *service, enum notice_kind kind, enum reason_code reason)
{
	struct agent_notice notice = {.version = AGENT_NOTICE_VERSION, .kind = kind, .service = service->news.service, .reason = reason,
		.pid = service->news.main_pid};
	int32_t slot = kind == NOTICE_DEAD ? slot_of(service, reason) : LADDER_NOBODY;

	if (slot >= 0) { /* the kernel's word for the process; what stands in the slot is the service's own */
		notice.pid = service->tree.rows[service->slots.now[slot].row].pid;
		notice.tid = service->slots.now[slot].record.tid;
	}
	return send(service->common->setup->news_fd, &notice, sizeof(notice), MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)sizeof(notice);
}

static int64_t wait_ns(const struct service *service)
{
	return (int64_t)(service->common->settings.liveness.on_dead_wait_seconds * (double)NS_PER_SECOND) + ANSWER_NS;
}

/* ---- the two ways it can go */

/* The reasons are shown and fail nothing. */
static void hold_back(struct service *service)
{
	struct verdicts *verdicts = &service->verdicts;

	for (unsigned i = 0; i < verdicts->live.count; i++)
		verdicts->live.items[i].minor |= verdicts->live.items[i].held == HELD_NO;
	verdicts->live_ok = true;
	verdicts->verdict = service->on_dead.before;
}

static void follow_death(struct service *service, enum reason_code reason, int64_t now)
{
	struct on_dead_hold *hold = &service->on_dead;

	if (!hold->since) {
		hold->since = now;
		hold->reason = reason;
		history_note(service, EVENT_AGENT, "found_dead", service->news.on_dead == ON_DEAD_OVER ? "told" : "on_dead", reason_text(reason));
	}
	if (!hold->asked)
		hold->asked = say(service, NOTICE_DEAD, reason);
	hold->over |= service->news.on_dead == ON_DEAD_OVER || now - hold->since > wait_ns(service);
	if (!hold->over)
		hold_back(service);
}

static void follow_life(struct service *service, int64_t now)
{
	struct on_dead_hold *hold = &service->on_dead;
	bool old = service->news.on_dead == ON_DEAD_OVER && !hold->since;

	if (!old)
		hold->alive_since = 0;
	else if (!hold->alive_since)
		hold->alive_since = now;
	if (hold->since && !hold->over) {
		log_event(LOG_LEVEL_WARN, "onDead", "%s: it went on by itself before livez said dead", reason_text(hold->reason));
		history_note(service, EVENT_AGENT, "on_dead", "recovered", reason_text(hold->reason));
	}
	if ((hold->since || (old && now - hold->alive_since > FORGET_NS)) && !say(service, NOTICE_ALIVE, REASON_NONE))
		return; /* its socket is full: at the next tick */
	hold->since = 0;
	hold->asked = hold->over = false;
	hold->before = service->verdicts.verdict;
}

static void say_what_would_be(struct service *service)
{
	enum reason_code reason = find_reason(&service->verdicts.live, HELD_OBSERVE);

	if (reason != REASON_NONE && reason != REASON_EXITED && !service->on_dead.said)
		log_event(LOG_LEVEL_INFO, "onDead", "%s: %s would be run now if lifesign did not only observe", reason_text(reason),
			service->common->settings.liveness.on_dead[0]);
	service->on_dead.said = reason != REASON_NONE;
}

void on_dead_follow(struct service *service, int64_t now)
{
	enum reason_code reason = find_reason(&service->verdicts.live, HELD_NO);

	if (!service->common->settings.liveness.on_dead_words)
		return;
	say_what_would_be(service);
	if (service->verdicts.live_ok)
		follow_life(service, now);
	else if (reason != REASON_EXITED) /* there is nobody left to be asked */
		follow_death(service, reason, now);
}
