/* SPDX-License-Identifier: Apache-2.0 */
/* build: musl -pthread -Wno-unused-result */
/* What disturbs the trace of a thread, and many threads; see shim_stage.h. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>

#include <lifesign.h>

#include "shim_stage.h"

/* ---- jumps, signals, cancellation */

static sigjmp_buf out;

static void jump_out(int number)
{
	siglongjmp(out, number);
}

static void scene_jump(void)
{
	struct sigaction action = {.sa_handler = jump_out};

	sigaction(SIGUSR1, &action, NULL);
	if (sigsetjmp(out, 1) == 0)
		read(silent[0], &byte_, 1);
	step("jumped");
	read(silent[0], &byte_, 1);
}

static void read_in_handler(int number)
{
	(void)number;
	read(0, &byte_, 1);
}

static void wait_with_handler(int flags)
{
	struct sigaction action = {.sa_handler = read_in_handler, .sa_flags = flags};

	sigaction(SIGUSR1, &action, NULL);
	step("armed");
	for (;;)
		read(silent[0], &byte_, 1);
}

static void scene_handler(void)
{
	wait_with_handler(SA_RESTART);
}

static stack_t other_stack;

static void *wait_with_other_stack(void *unused)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	sigaltstack(&other_stack, NULL);
	wait_with_handler(SA_RESTART | SA_ONSTACK);
	return unused;
}

/* The thread's handlers run on a piece of the main thread's stack, which lies above its own. */
static void scene_altstack(void)
{
	char room[65536];
	pthread_t thread;
	sigset_t set;

	other_stack = (stack_t){.ss_sp = room, .ss_size = sizeof(room)};
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	pthread_create(&thread, NULL, wait_with_other_stack, NULL);
	pthread_join(thread, NULL);
}

/* A jump that no libc knows of: only the stack says that the call is over. */
static void *buffer[5];

static void jump_silently(int number)
{
	(void)number;
	__builtin_longjmp(buffer, 1);
}

__attribute__((noinline)) static void read_below(int levels)
{
	char room[512];

	memset(room, levels, sizeof(room));
	read(silent[0], &byte_, 1);
	__asm__ volatile("" : : "r"(room) : "memory"); /* no tail call: the stack grows */
}

static void scene_silent_jump(void)
{
	struct sigaction action = {.sa_handler = jump_silently, .sa_flags = SA_NODEFER};

	sigaction(SIGUSR1, &action, NULL);
	if (__builtin_setjmp(buffer) == 0)
		read_below(4);
	step("jumped");
	poll(NULL, 0, -1);
}

static void deeper(int levels)
{
	char room[512];

	memset(room, levels, sizeof(room));
	if (levels)
		deeper(levels - 1);
	else
		poll(NULL, 0, -1);
	__asm__ volatile("" : : "r"(room) : "memory"); /* no tail call: the stack grows */
}

static void clean_up(void *unused)
{
	(void)unused;
	step("cleanup");
	deeper(4);
}

static void *cancelled(void *unused)
{
	pthread_cleanup_push(clean_up, NULL);
	read(silent[0], &byte_, 1);
	pthread_cleanup_pop(0);
	return unused;
}

static void scene_cancel(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, cancelled, NULL);
	step("made");
	pthread_cancel(thread);
	for (;;)
		syscall(SYS_pause);
}

/* ---- containers */

static pthread_once_t outer = PTHREAD_ONCE_INIT, inner = PTHREAD_ONCE_INIT;

static void inner_body(void)
{
	read(0, &byte_, 1);
}

static void outer_body(void)
{
	step("body");
	read(0, &byte_, 1);
	step("between");
	pthread_once(&inner, inner_body);
	step("after inner");
}

static void scene_once(void)
{
	pthread_once(&outer, outer_body);
	step("done");
}

static void read_once(void)
{
	read(0, &byte_, 1);
}

static void scene_work(void)
{
	lifesign_work_begin("piece");
	step("working");
	read_once();
	step("still working");
	lifesign_work_end();
	lifesign_beat();
	lifesign_queue_depth(42);
	step("worked");
}

/* ---- many threads */

static void *nothing(void *unused)
{
	return unused;
}

static void scene_churn(void)
{
	pthread_t thread;

	for (int i = 0; i < 100000; i++) {
		if (pthread_create(&thread, NULL, nothing, NULL))
			abort();
		pthread_join(thread, NULL);
	}
	step("churned");
}

static void *hold(void *unused)
{
	read(silent[0], &byte_, 1);
	return unused;
}

static void scene_overflow(void)
{
	pthread_t threads[100];

	for (int i = 0; i < 100; i++)
		pthread_create(&threads[i], NULL, hold, NULL);
	step("full");
	for (int i = 0; i < 100; i++)
		write(silent[1], "", 1);
	for (int i = 0; i < 100; i++)
		pthread_join(threads[i], NULL);
	step("empty");
	pthread_create(&threads[0], NULL, hold, NULL);
	step("again");
}

static pthread_key_t key;

static void read_at_the_end(void *round)
{
	if (round == (void *)1)
		pthread_setspecific(key, (void *)2);
	else
		read(0, &byte_, 1);
}

static void *with_key(void *unused)
{
	pthread_setspecific(key, (void *)1);
	return unused;
}

static void scene_destructor(void)
{
	pthread_t thread;

	pthread_key_create(&key, read_at_the_end);
	pthread_create(&thread, NULL, with_key, NULL);
	pthread_join(thread, NULL);
	step("joined");
}

static void scene_name(void)
{
	pthread_setname_np(pthread_self(), "the-main-one");
	step("named");
}

static void scene_thread_only(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, hold, NULL);
	step("main ends");
	pthread_exit(NULL);
}

static const struct scene scenes[] = {
	SCENE(jump),
	SCENE(silent_jump),
	SCENE(handler),
	SCENE(altstack),
	SCENE(cancel),
	SCENE(once),
	SCENE(work),
	SCENE(churn),
	SCENE(overflow),
	SCENE(destructor),
	SCENE(name),
	SCENE(thread_only),
};

int main(int count, char **arguments)
{
	return play(scenes, sizeof(scenes) / sizeof(scenes[0]), count, arguments);
}
