/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/ladder_parts.h"

#include "judge/calls.h"

enum { CHAIN_AT_MOST = 64, LOCK_SPAN = 64 };

static const struct wait_traits traits[WAIT_COUNT] = {
	[WAIT_NONE] = {0},
	[WAIT_LOCK] = {.loop = true, .pool = true, .wakes_for_nothing = true},
	[WAIT_WAKE] = {.loop = true, .pool = true, .ownerless = true, .wakes_for_nothing = true},
	[WAIT_THREAD] = {.loop = true, .pool = true, .wakes_for_nothing = true},
	[WAIT_PIPE] = {.loop = true, .pool = true, .ownerless = true},
	[WAIT_INSIDE] = {.loop = true, .ownerless = true},
	[WAIT_EVENTS] = {.loop = true, .ownerless = true},
	[WAIT_TIME] = {.loop = true, .wakes_for_nothing = true},
	[WAIT_SIGNAL] = {.loop = true, .ownerless = true},
	[WAIT_CHILD] = {0},
	[WAIT_FILE] = {.held = HELD_IO_WAIT},
	[WAIT_EXTERNAL] = {.held = HELD_DEPENDENCY_WAIT},
	[WAIT_UNKNOWN] = {0},
};

const struct wait_traits *wait_traits(enum wait_on on)
{
	return &traits[(unsigned)on < WAIT_COUNT ? on : WAIT_UNKNOWN];
}

enum wait_on ladder_wait_of(uint32_t op)
{
	static const enum wait_on waits[CLASS_COUNT] = {
		[CLASS_NONE] = WAIT_NONE,
		[CLASS_LOCK] = WAIT_LOCK,
		[CLASS_COND] = WAIT_WAKE,
		[CLASS_JOIN] = WAIT_THREAD,
		[CLASS_CHILD] = WAIT_CHILD,
		[CLASS_EVENT] = WAIT_UNKNOWN, /* whoever knows the descriptors knows more, here and where it
						 says so below */
		[CLASS_ACCEPT] = WAIT_UNKNOWN,
		[CLASS_SOCKET] = WAIT_UNKNOWN,
		[CLASS_CONNECT] = WAIT_EXTERNAL,
		[CLASS_NAME] = WAIT_EXTERNAL,
		[CLASS_FD] = WAIT_UNKNOWN,
		[CLASS_FILE] = WAIT_FILE,
		[CLASS_SLEEP] = WAIT_TIME,
		[CLASS_SIGNAL] = WAIT_SIGNAL,
		[CLASS_SYSCALL] = WAIT_UNKNOWN,
		[CLASS_WORK] = WAIT_NONE,
	};

	return waits[call_info(op)->class];
}

bool look_is_away(const struct ladder_look *look)
{
	return look->state != THREAD_IDLE;
}

bool look_is_of_now(const struct ladder_look *look)
{
	return look->kernel_read && look->kernel_entries == look->entries && look->kernel_op == look->op;
}

bool look_is_asleep(const struct ladder_look *look)
{
	return look_is_of_now(look) && (look->kernel_state == 'S' || look->kernel_state == 'D');
}

bool look_has_witness(const struct ladder_look *look)
{
	enum call_class class = call_info(look->op)->class;

	if (!look_is_asleep(look) || look->syscall < 0)
		return false;
	if (class == CLASS_LOCK)
		return look->in_futex && look->futex - look->object < LOCK_SPAN;
	return class == CLASS_JOIN ? look->in_futex : true;
}

static enum wait_on own_wait(const struct ladder_look *look)
{
	if (look_is_asleep(look) && look->kernel_state == 'D')
		return WAIT_FILE;
	return look->op == 0 && look->on == WAIT_NONE && look_is_asleep(look) ? WAIT_UNKNOWN : look->on;
}

static bool has_next(const struct climb *climb, uint32_t index)
{
	const struct ladder_look *look = &climb->frame->looks[index];

	return (look->on == WAIT_LOCK || look->on == WAIT_THREAD) && look->waits_for >= 0;
}

enum wait_on climb_root(const struct climb *climb, uint32_t index, uint32_t *end)
{
	uint32_t at = index;

	for (unsigned hops = 0; has_next(climb, at) && hops < CHAIN_AT_MOST; hops++) {
		at = (uint32_t)climb->frame->looks[at].waits_for;
		if (climb->ladder->clocks[at].moved)
			break;
	}
	*end = at;
	if (at != index && climb->ladder->clocks[at].moved)
		return WAIT_NONE; /* whoever holds it does something */
	return own_wait(&climb->frame->looks[at]);
}
