/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/suspects.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "judge/calls.h"
#include "judge/thread.h"
#include "lifesign/segment.h"
#include "watch/procfs.h"
#include "watch/serving.h"
#include "watch/waits.h"

/* How often one thread is asked again, and how many questions one tick may ask: each costs 1 to 5 us. */
#define NAME_EVERY_NS UINT64_C(60000000000)
#define NAME_YOUNG_NS UINT64_C(1000000000) /* threads name themselves soon after they begin */
#define KERNEL_EVERY_NS (500 * NS_PER_MS)
#define WAITS_EVERY_NS NS_PER_SECOND
#define WAITS_AT_HOME_NS (60 * NS_PER_SECOND) /* nobody asks what an idle thread waits for */
#define SERVES_EVERY_NS (2 * NS_PER_SECOND)
#define SERVES_LATER_NS (20 * NS_PER_SECOND)
#define QUIET_NS (400 * NS_PER_MS) /* a thread that stays where it is has no questions sooner */
enum { NAMES = 200, KERNELS = 200, WAITS = 100, SERVINGS = 32, PROOFS = 200, WITNESSES = 100 };

struct suspects_budget suspects_budget(void)
{
	return (struct suspects_budget){NAMES, KERNELS, WAITS, SERVINGS, PROOFS, WITNESSES};
}

static bool is_due(int64_t last, int64_t every, int64_t now)
{
	return !last || now - last >= every;
}

/* Again when it is twice as old, within bounds; a stamp of the future is very old. */
static bool name_is_due(const struct slot_now *slot, int64_t now)
{
	uint64_t age = (uint64_t)slot->name_read - slot->record.stamp;
	uint64_t every = age < NAME_YOUNG_NS ? NAME_YOUNG_NS : age > NAME_EVERY_NS ? NAME_EVERY_NS : age;

	return is_due(slot->name_read, (int64_t)every, now);
}

static void look_name(struct slot_now *slot, const struct view *view, uint32_t index, const struct process_row *row, int64_t now)
{
	view_slot_name(view, index, slot->record.name);
	if (slot->record.name[0])
		memcpy(slot->name, slot->record.name, sizeof(slot->name));
	else if (row->unseen || proc_thread_name(row->pid, slot->record.tid, slot->name) < 0)
		(void)snprintf(slot->name, sizeof(slot->name), "%s", row->name);
	slot->name_read = now;
}

static void look_kernel(struct slot_now *slot, const struct process_row *row, int64_t now)
{
	struct proc_stat stat;

	slot->kernel_read = now;
	if (row->unseen)
		return;
	slot->kernel_state = proc_thread_stat(row->pid, slot->record.tid, &stat) < 0 ? 0 : stat.state;
}

static struct thread_look look_of(const struct slots *slots, uint32_t index, const struct process_row *row)
{
	const struct slot_now *slot = &slots->now[index];
	const struct notebook_track *track = &slots->notebook->tracks[index];

	return (struct thread_look){
		.op = (uint32_t)(track->call & CALL_OP_MASK),
		.caller = track->caller,
		.moved = slot->moved,
		.kernel_state = slot->kernel_state,
		.main = slot->record.tid == row->ns_pid,
		.serves = slot->serves,
		.home = track->home,
	};
}

static void keep_role(struct slot_now *slot, struct notebook_track *track)
{
	if (track->role == (uint32_t)slot->role && track->accepts == slot->accepts)
		return;
	notebook_track_open(track);
	track->role = (uint32_t)slot->role;
	track->accepts = slot->accepts;
	notebook_track_close(track);
}

static bool waits_are_due(const struct slot_now *slot, int64_t now)
{
	return is_due(slot->waits_read, slot->state == THREAD_IDLE ? WAITS_AT_HOME_NS : WAITS_EVERY_NS, now);
}

/* A loop that carries connections may be given a listener later. */
static bool serving_is_due(const struct slot_now *slot, uint32_t op, int64_t now)
{
	return serving_is_possible(op) && !slot->accepts && is_due(slot->serves_read, slot->serves ? SERVES_LATER_NS : SERVES_EVERY_NS, now);
}

/* Once found it stays: a set is read while its loop waits there, and half of it may be away at that moment. Who passes
 * through accept may be a loop or stand there at rest: that is told when it rests. */
static void look_serving(struct slot_now *slot, struct notebook_track *track, const struct process_row *row,
	struct listeners *listeners, int64_t now)
{
	uint32_t op = (uint32_t)(track->call & CALL_OP_MASK);
	enum serving serving;

	if (slot->moved && call_info(op)->class == CLASS_ACCEPT)
		return;
	serving = serving_look(row, &slot->record, listeners, now);
	if (serving == SERVES_ACCEPTS && !slot->moved) {
		notebook_track_open(track);
		home_prove(&track->home, op, track->caller);
		notebook_track_close(track);
	}
	slot->serves |= serving != SERVES_NOT;
	slot->accepts |= serving == SERVES_ACCEPTS;
	slot->serves_read = now;
}

static void note_role(struct slots *slots, uint32_t index, enum thread_role role)
{
	struct slot_now *slot = &slots->now[index];

	if (slot->role != role && (role == THREAD_LOOP || role == THREAD_LISTENER) && slot->role != THREAD_LOOP && slot->role != THREAD_LISTENER)
		slots_note_server(slots, index);
	slot->role = role;
}

static void look_at(struct slots *slots, uint32_t index, const struct tree *tree, struct listeners *listeners, int64_t now,
	struct suspects_budget *left)
{
	struct slot_now *slot = &slots->now[index];
	struct notebook_track *track = &slots->notebook->tracks[index];
	const struct process_row *row = &tree->rows[slot->row];
	struct thread_look look = look_of(slots, index, row);

	if (name_is_due(slot, now) && left->names && left->names--)
		look_name(slot, &slots->view, index, row, now);
	if (thread_is_suspect(&look) && is_due(slot->kernel_read, KERNEL_EVERY_NS, now) && left->kernels && left->kernels--)
		look_kernel(slot, row, now);
	if (!slot->moved && look.op && waits_are_due(slot, now) && left->waits && left->waits--) {
		waits_look(row, &slot->record, &slot->waits_for);
		slot->waits_read = now;
	}
	if (serving_is_due(slot, look.op, now) && !row->unseen && left->servings && left->servings--)
		look_serving(slot, track, row, listeners, now);
	look = look_of(slots, index, row);
	slot->state = thread_judge_state(&look);
	note_role(slots, index, thread_judge_role(&look, (enum thread_role)track->role));
	keep_role(slot, track);
	slot->quiet_until = slot->moved || thread_is_suspect(&look) ? 0 : now + QUIET_NS;
}

void suspects_look(struct slots *slots, const struct tree *tree, struct listeners *listeners, int64_t now, struct suspects_budget *left)
{
	uint32_t start = slots->order_count ? slots->turn % slots->order_count : 0; /* so that a budget starves nobody */

	for (uint32_t i = 0; i < slots->order_count; i++) {
		uint32_t at = start + i < slots->order_count ? start + i : start + i - slots->order_count;

		const struct slot_now *slot = &slots->now[slots->order[at]];

		if (slot->live && now >= slot->quiet_until) /* else it changed hands since the assignment: of no row yet */
			look_at(slots, slots->order[at], tree, listeners, now, left);
	}
	slots->turn = start + NAMES;
}
