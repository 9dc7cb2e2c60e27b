/* SPDX-License-Identifier: Apache-2.0 */
/* build: musl -pthread -Wno-unused-result */
/* Filters that a program lays on itself after its start (T22): shim_confined WHAT ends as without the shim,
 * which asks the kernel for nothing any more. */
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>

#include "shim_results.h"

struct filter_step {
	uint16_t code;
	uint8_t yes, no;
	uint32_t value;
};
/* of linux/filter.h and linux/seccomp.h, which musl's compiler does not find */
enum { LOAD_WORD = 0x20, JUMP_IF_EQUAL = 0x15, RETURN = 0x06, FILTER_MODE = 2, STRICT_MODE = 1 };
#define KILL_PROCESS 0x80000000u
#define RETURN_ERRNO 0x00050000u
#define ALLOW 0x7fff0000u

static void confine(uint32_t verdict)
{
	static const uint32_t denied[] = {SYS_gettid, SYS_getpid, SYS_getppid, SYS_socket, SYS_connect,
		SYS_recvmsg, SYS_openat, SYS_clock_gettime, SYS_memfd_create, SYS_fcntl, SYS_prctl};
	struct filter_step code[64] = {{LOAD_WORD, 0, 0, 0}};
	struct {
		unsigned short count;
		struct filter_step *code;
	} program = {1, code};

	for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]); i++) {
		code[program.count++] = (struct filter_step){JUMP_IF_EQUAL, 0, 1, denied[i]};
		code[program.count++] = (struct filter_step){RETURN, 0, 0, verdict};
	}
	code[program.count++] = (struct filter_step){RETURN, 0, 0, ALLOW};
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	say("confined", prctl(PR_SET_SECCOMP, FILTER_MODE, &program));
}

static void *call_in_thread(void *unused)
{
	call_all();
	return unused;
}

static void live_confined(uint32_t verdict)
{
	pthread_t thread;

	call_all();
	confine(verdict);
	for (int i = 0; i < 5; i++) {
		say("create", pthread_create(&thread, NULL, call_in_thread, NULL));
		say("join", pthread_join(thread, NULL));
	}
	pid_t child = fork();

	if (child == 0)
		_exit(call_all());
	say("child", status_of(child));
	say("calls", call_all());
}

static void scene_kill(void)
{
	live_confined(KILL_PROCESS);
}

static void scene_refuse(void)
{
	live_confined(RETURN_ERRNO | EPERM);
}

/* seccomp's oldest mode: read, write, exit, sigreturn and nothing else. */
static void scene_strict(void)
{
	call_all();
	prctl(PR_SET_SECCOMP, STRICT_MODE);
	for (int i = 0; i < 100; i++)
		read(-1, &byte_, 1);
	write(1, "strict\n", 7);
	syscall(SYS_exit, 4);
}

static const struct scene scenes[] = {
	SCENE(kill),
	SCENE(refuse),
	SCENE(strict),
};

int main(int count, char **arguments)
{
	return play(scenes, sizeof(scenes) / sizeof(scenes[0]), count, arguments);
}
