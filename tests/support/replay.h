/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Judges a recording (judge/recording.h) again: what was seen goes through the pure judge of this build, and
 * what comes of it must be what was said then. For the program `replay`, the unit test and the fuzzer.
 */
#ifndef REPLAY_H
#define REPLAY_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "judge/recording.h"

enum { REPLAY_SERVICES = 256 };

/* What the ladder keeps of a process, by whose it is. */
struct replay_process {
	uint64_t start;
	uint32_t pid;
	struct ladder_process kept;
};

struct replay_service {
	struct recording_begin begin;
	struct recording_state state;
	struct ladder ladder;
	struct replay_process *processes, *before;
	unsigned process_count;
	struct knots_room room;
	bool known;    /* it has begun */
	bool complete; /* nothing was lost since */
	struct verdicts said;
	unsigned ticks;
};

struct replay {
	unsigned max_looks, max_processes;
	FILE *out;                                        /* NULL: counts only */
	bool says_only;                                   /* nothing of what was recorded to have been said */
	struct replay_service *services[REPLAY_SERVICES]; /* NULL: not met yet */
	unsigned begins, ticks, frames, compared, wrong, gaps, torn, deaths;
	bool ended; /* the file had its size */
};

static inline void *replay_room(size_t count, size_t bytes)
{
	void *room = calloc(count, bytes);

	if (!room)
		abort();
	return room;
}

static inline void replay_make(struct replay_service *service, const struct replay *replay)
{
	const unsigned looks = replay->max_looks, processes = replay->max_processes;

	service->state = (struct recording_state){
		.looks = replay_room(looks, sizeof(struct ladder_look)),
		.order = replay_room(looks, sizeof(uint32_t)),
		.seen = replay_room(looks, sizeof(uint32_t)),
		.threads = replay_room(looks, sizeof(struct knot_thread)),
		.processes = replay_room(processes, sizeof(struct ladder_process_look)),
		.max_looks = looks,
		.max_processes = processes,
	};
	service->ladder = (struct ladder){
		.clocks = replay_room(looks, sizeof(struct ladder_clock)),
		.marks = replay_room(processes, sizeof(struct ladder_marks)),
		.pools = replay_room(looks + 1, sizeof(struct ladder_pool)),
	};
	service->processes = replay_room(processes, sizeof(struct replay_process));
	service->before = replay_room(processes, sizeof(struct replay_process));
	service->room = (struct knots_room){
		.knot_of = replay_room(looks, sizeof(int32_t)),
		.seen = replay_room(looks, sizeof(int32_t)),
		.pool_size = replay_room(looks + 1, sizeof(uint32_t)),
		.pool_stuck = replay_room(looks + 1, sizeof(uint32_t)),
	};
}

static inline void replay_drop(struct replay_service *service)
{
	void *rooms[] = {service->state.looks, service->state.order, service->state.seen,
		service->state.threads, service->state.processes, service->ladder.clocks, service->ladder.marks,
		service->ladder.pools, service->processes, service->before, service->room.knot_of,
		service->room.seen, service->room.pool_size, service->room.pool_stuck, service};

	for (size_t room = 0; room < sizeof(rooms) / sizeof(rooms[0]); room++)
		free(rooms[room]);
}

static inline void replay_end(struct replay *replay)
{
	for (unsigned i = 0; i < REPLAY_SERVICES; i++) {
		if (replay->services[i])
			replay_drop(replay->services[i]);
		replay->services[i] = NULL;
	}
}

/* ---- one tick */

/* As a judge that has just begun, with what the one before had learned. */
static inline void replay_forget(struct replay_service *service)
{
	struct ladder *ladder = &service->ladder;

	memset(ladder->clocks, 0, service->state.max_looks * sizeof(*ladder->clocks));
	ladder->whole = (struct ladder_whole){0};
	ladder->learned = service->state.learned;
	service->process_count = 0;
}

static inline const struct replay_process *replay_find(
	const struct replay_service *service, unsigned guess, uint64_t start, uint32_t pid)
{
	for (unsigned i = 0; i < service->process_count; i++) {
		const struct replay_process *found = &service->before[(guess + i) % service->process_count];

		if (found->start == start && found->pid == pid)
			return found;
	}
	return NULL;
}

static inline void replay_bind(struct replay_service *service)
{
	struct replay_process *before = service->processes;
	unsigned count = service->state.frame.process_count;

	service->processes = service->before;
	service->before = before;
	for (unsigned i = 0; i < count; i++) {
		struct ladder_process_look *look = &service->state.processes[i];
		const struct replay_process *found = replay_find(service, i, look->start, look->pid);

		service->processes[i] = found ? *found : (struct replay_process){look->start, look->pid, {0}};
		look->state = &service->processes[i].kept;
	}
	service->process_count = count;
}

static inline bool replay_knots_agree(struct replay_service *service)
{
	const struct recording_state *state = &service->state;
	struct knot found[RECORDING_KNOTS];
	unsigned count =
		knots_find(state->threads, state->thread_count, &service->room, found, RECORDING_KNOTS);

	for (unsigned i = 0; i < count && count == state->knot_count; i++) {
		const struct knot *then = &state->knots[i];

		if (found[i].first != then->first || found[i].length != then->length ||
			found[i].behind != then->behind || found[i].critical != then->critical)
			return false;
	}
	return count == state->knot_count;
}

static inline bool replay_lists_agree(const struct reason_list *a, const struct reason_list *b)
{
	for (unsigned i = 0; i < a->count && a->count == b->count; i++) {
		const struct reason *now = &a->items[i], *then = &b->items[i];

		if (now->code != then->code || now->held != then->held || now->minor != then->minor ||
			now->since != then->since || now->dependency != then->dependency)
			return false;
	}
	return a->count == b->count;
}

static inline bool replay_verdicts_agree(const struct verdicts *a, const struct verdicts *b)
{
	return a->verdict == b->verdict && a->live_ok == b->live_ok && a->ready_ok == b->ready_ok &&
	       a->startup_ok == b->startup_ok && replay_lists_agree(&a->live, &b->live) &&
	       replay_lists_agree(&a->ready, &b->ready) && replay_lists_agree(&a->startup, &b->startup);
}

static inline void replay_print_list(FILE *out, const char *name, const struct reason_list *list)
{
	for (unsigned i = 0; i < list->count; i++) {
		const struct reason *reason = &list->items[i];

		fprintf(out, " %s:%s%s%s%s", name, reason_text(reason->code), reason->minor ? "(minor)" : "",
			reason->held ? "/" : "", reason->held ? held_text(reason->held) : "");
	}
}

static inline void replay_print(struct replay *replay, const struct replay_service *service, const char *what,
	const struct verdicts *verdicts)
{
	if (!replay->out)
		return;
	fprintf(replay->out, "%9.3f %s %s %s live=%d ready=%d startup=%d",
		(double)(service->state.facts.now - service->begin.boot) / 1e9, service->begin.name, what,
		verdict_text(verdicts->verdict), verdicts->live_ok, verdicts->ready_ok, verdicts->startup_ok);
	replay_print_list(replay->out, "live", &verdicts->live);
	replay_print_list(replay->out, "ready", &verdicts->ready);
	fputc('\n', replay->out);
}

static inline bool replay_is_news(const struct replay_service *service, const struct verdicts *now)
{
	const struct verdicts *said = &service->said;
	bool differ = service->ticks == 1 || now->verdict != said->verdict || now->live_ok != said->live_ok ||
		      now->ready_ok != said->ready_ok || now->startup_ok != said->startup_ok ||
		      now->live.count != said->live.count || now->ready.count != said->ready.count;

	for (unsigned i = 0; i < now->live.count && !differ; i++)
		differ = now->live.items[i].code != said->live.items[i].code ||
			 now->live.items[i].held != said->live.items[i].held;
	for (unsigned i = 0; i < now->ready.count && !differ; i++)
		differ = now->ready.items[i].code != said->ready.items[i].code;
	return differ;
}

static inline void replay_compare(
	struct replay *replay, struct replay_service *service, const struct verdicts *now)
{
	const struct recording_state *state = &service->state;
	bool learned = memcmp(&service->ladder.learned, &state->learned, sizeof(state->learned)) == 0;

	replay->compared++;
	if (replay_verdicts_agree(now, &state->verdicts) && learned && replay_knots_agree(service))
		return;
	replay->wrong++;
	if (replay->says_only)
		return;
	replay_print(replay, service, "RECORDED", &state->verdicts);
	replay_print(replay, service, learned ? "JUDGED  " : "LEARNED ", now);
}

static inline void replay_judge(struct replay *replay, struct replay_service *service)
{
	const struct recording_state *state = &service->state;
	struct ladder_out found;
	struct verdicts now;

	verdict_judge(&state->facts, &now);
	if (state->has_frame) {
		replay_bind(service);
		ladder_step(&service->ladder, &state->frame, &found);
		ladder_tell(&found, state->facts.observe, state->facts.now, &now);
		replay->frames++;
	}
	service->ticks++;
	if (replay_is_news(service, &now))
		replay_print(replay, service, "says", &now);
	replay->deaths += now.verdict == VERDICT_DEAD && service->said.verdict != VERDICT_DEAD;
	service->said = now;
	if (service->complete)
		replay_compare(replay, service, &now);
}

/* ---- records */

static inline void replay_begin(struct replay *replay, const unsigned char *body, size_t bytes)
{
	struct recording_begin begin;
	struct replay_service *service;

	if (!recording_read_begin(&begin, body, bytes) || begin.service >= REPLAY_SERVICES) {
		replay->torn++;
		return;
	}
	service = replay->services[begin.service];
	if (!service) {
		service = replay->services[begin.service] = replay_room(1, sizeof(*service));
		replay_make(service, replay);
	}
	service->begin = begin;
	service->known = true;
	service->state.follows = service->complete = false;
	service->ticks = 0;
	service->said = (struct verdicts){0};
	replay->begins++;
}

static inline void replay_tick(struct replay *replay, const unsigned char *body, size_t bytes)
{
	struct replay_service *service;
	uint32_t id;

	if (!recording_read_service(&id, body, bytes) || id >= REPLAY_SERVICES || !replay->services[id] ||
		!replay->services[id]->known) {
		replay->torn++;
		return;
	}
	service = replay->services[id];
	if (!recording_read_tick(&service->state, &service->begin, body, bytes)) {
		replay->torn++;
		service->known = false; /* until it begins again */
		return;
	}
	if (service->state.whole) {
		service->complete = service->ticks == 0;
		replay->gaps += !service->complete;
		replay_forget(service);
	}
	replay->ticks++;
	replay_judge(replay, service);
}

/* The record at `at`: its length with its head, 0 when there is none that checks. */
static inline size_t replay_record_at(
	const unsigned char *bytes, size_t size, size_t at, struct recording_head *head)
{
	if (size - at < sizeof(*head))
		return 0;
	memcpy(head, bytes + at, sizeof(*head));
	if (head->magic != RECORDING_MAGIC || head->bytes > size - at - sizeof(*head) ||
		recording_check(head->kind, bytes + at + sizeof(*head), head->bytes) != head->check)
		return 0;
	return sizeof(*head) + head->bytes;
}

/* `*used`: how far whole records go; what is behind may be the beginning of one. */
static inline void replay_feed(struct replay *replay, const unsigned char *bytes, size_t size)
{
	bool lost = false;

	for (size_t at = 0; at < size;) {
		struct recording_head head;
		size_t length = replay_record_at(bytes, size, at, &head);

		if (!length) {
			replay->torn += !lost;
			lost = true;
			at++;
			continue;
		}
		lost = false;
		at += length;
		if (head.kind == RECORD_BEGIN)
			replay_begin(replay, bytes + at - head.bytes, head.bytes);
		else if (head.kind == RECORD_TICK)
			replay_tick(replay, bytes + at - head.bytes, head.bytes);
		replay->ended |= head.kind == RECORD_END;
	}
}

#endif
