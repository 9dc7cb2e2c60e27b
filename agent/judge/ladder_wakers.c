/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/ladder_parts.h"

#include "judge/calls.h"

/* Shorter stays elsewhere are no job of work: timers have them too. */
#define AT_WORK_NS INT64_C(1000000000)

/* Where the next connection finds him, or where he waits for what those that he has taken say. */
static bool is_at_front(const struct ladder_look *look)
{
	enum call_class class = call_info(look->op)->class;

	return class == CLASS_EVENT || class == CLASS_ACCEPT;
}

static bool goes_on_by_itself(const struct ladder_clock *clock, const struct ladder_look *look)
{
	return clock->moved || look->timed || look->on == WAIT_TIME ||
	       (look->on == WAIT_NONE && !look_is_asleep(look));
}

void waker_note(struct climb *climb, uint32_t index)
{
	const struct ladder_look *look = &climb->frame->looks[index];
	struct ladder_process *process = process_of(climb, look->process);
	struct ladder_clock *clock = &climb->ladder->clocks[index];
	enum call_class class = call_info(look->op)->class;
	bool away = look_is_away(look);

	if (!away || look->rests)
		clock->left = 0;
	else if (!clock->left)
		clock->left = climb->frame->now;
	process->works |=
		clock->left && climb->frame->now - clock->left >= AT_WORK_NS && goes_on_by_itself(clock, look);
	process->carries |= !away && (look->role == THREAD_LOOP ? is_at_front(look)
								: class == CLASS_SOCKET || class == CLASS_FD);
}

void taker_note(struct climb *climb, const struct ladder_look *look)
{
	struct ladder_process *process = process_of(climb, look->process);
	bool at_home = !look_is_away(look);

	process->takes = true;
	process->taker_at_home |= at_home;
	process->attended |= at_home && is_at_front(look);
	climb->unsafe += at_home && !is_at_front(look); /* nobody has asked the kernel about it */
}
