/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/thread.h"

#include "judge/calls.h"

/* What a wait of each class is called when it is not a homecoming. */
static const enum thread_state away[CLASS_COUNT] = {
	[CLASS_NONE] = THREAD_UNSEEN,
	[CLASS_LOCK] = THREAD_LOCK,
	[CLASS_COND] = THREAD_LOCK,
	[CLASS_JOIN] = THREAD_SLEEP,
	[CLASS_CHILD] = THREAD_SLEEP,
	[CLASS_EVENT] = THREAD_IO,
	[CLASS_ACCEPT] = THREAD_IO,
	[CLASS_SOCKET] = THREAD_IO,
	[CLASS_CONNECT] = THREAD_IO,
	[CLASS_NAME] = THREAD_IO,
	[CLASS_FD] = THREAD_IO,
	[CLASS_FILE] = THREAD_IO,
	[CLASS_SLEEP] = THREAD_SLEEP,
	[CLASS_SIGNAL] = THREAD_SLEEP,
	[CLASS_SYSCALL] = THREAD_LOCK,
	[CLASS_WORK] = THREAD_RUNNING,
};

static bool kernel_says_asleep(char state)
{
	return state == 'S' || state == 'D' || state == 'T' || state == 't' || state == 'I';
}

/* Between calls, or in lifesign_work: the shim cannot say whether it computes or sleeps unseen. */
static bool outside_calls(const struct thread_look *look)
{
	return look->op == 0 || call_info(look->op)->class == CLASS_WORK;
}

bool thread_is_suspect(const struct thread_look *look)
{
	return !look->moved && outside_calls(look);
}

enum thread_state thread_judge_state(const struct thread_look *look)
{
	enum call_class class = call_info(look->op)->class;

	if (outside_calls(look))
		return !look->moved && kernel_says_asleep(look->kernel_state) ? THREAD_UNSEEN : THREAD_RUNNING;
	if (class == CLASS_SLEEP)
		return THREAD_SLEEP;
	if (home_is_at(&look->home, look->op, look->caller))
		return THREAD_IDLE;
	return away[class];
}

enum thread_role thread_judge_role(const struct thread_look *look, enum thread_role before)
{
	enum call_class class = call_info(look->op)->class;

	if (before == THREAD_LOOP || before == THREAD_LISTENER)
		return before;
	if (look->serves && class == CLASS_EVENT)
		return THREAD_LOOP;
	if (look->serves && class == CLASS_ACCEPT && !look->moved) /* a loop passes through accept, it does not park there */
		return THREAD_LISTENER;
	return look->main ? THREAD_MAIN : THREAD_WORKER;
}
