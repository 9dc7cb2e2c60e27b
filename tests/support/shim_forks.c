/* SPDX-License-Identifier: Apache-2.0 */
/* build: musl -pthread -Wno-unused-result */
/* Every kind of new process; see shim_stage.h. */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "shim_stage.h"

extern char **environ;

static void child_reads(void)
{
	step("child");
	read(silent[0], &byte_, 1);
	_exit(7);
}

static void wait_for(pid_t child)
{
	int status;

	if (child == 0)
		child_reads();
	step("parent");
	waitpid(child, &status, 0);
	step(WIFEXITED(status) && WEXITSTATUS(status) == 7 ? "reaped" : "lost");
}

static void scene_fork(void)
{
	wait_for(fork());
}

static void scene_raw_clone(void)
{
	wait_for((pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
}

static void scene_underscore_fork(void)
{
#if __GLIBC_PREREQ(2, 34)
	wait_for(_Fork());
#else
	wait_for(fork());
#endif
}

static void *fork_here(void *unused)
{
	scene_fork();
	return unused;
}

static void scene_fork_in_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, fork_here, NULL);
	pthread_join(thread, NULL);
}

static void child_creates_thread(void *(*body)(void *))
{
	pthread_t thread;

	pthread_create(&thread, NULL, body, NULL);
	pthread_join(thread, NULL);
	_exit(7);
}

static void *read_in_thread(void *unused)
{
	child_reads();
	return unused;
}

static void scene_fork_then_thread(void)
{
	pid_t child = fork();

	if (child == 0)
		child_creates_thread(read_in_thread);
	wait_for(child);
}

static void scene_vfork(void)
{
	pid_t child = vfork();

	if (child == 0) {
		close(silent[1]);
		poll(NULL, 0, 1);
		_exit(7);
	}
	wait_for(child);
}

static void scene_spawn(void)
{
	pid_t child;
	char shell[] = "sh", option[] = "-c", command[] = "exit 7";
	char *arguments[] = {shell, option, command, NULL};

	posix_spawn(&child, "/bin/sh", NULL, NULL, arguments, environ);
	wait_for(child);
}

static void scene_system(void)
{
	step("before");
	step(WEXITSTATUS(system("read line; exit 7")) == 7 ? "reaped" : "lost");
	FILE *stream = popen("read line; exit 7", "w");

	step("opened");
	step(WEXITSTATUS(pclose(stream)) == 7 ? "reaped" : "lost");
}

static void scene_daemon(void)
{
	if (daemon(1, 1))
		abort();
	step("daemon");
	read(silent[0], &byte_, 1);
}

static void scene_close_all(void)
{
	for (int fd = 3; fd < 1024; fd++)
		close(fd);
	pipe(silent);
	step("closed");
	read(silent[0], &byte_, 1);
}

static const struct scene scenes[] = {
	SCENE(fork),
	SCENE(raw_clone),
	SCENE(underscore_fork),
	SCENE(fork_in_thread),
	SCENE(fork_then_thread),
	SCENE(vfork),
	SCENE(spawn),
	SCENE(system),
	SCENE(daemon),
	SCENE(close_all),
};

int main(int count, char **arguments)
{
	return play(scenes, sizeof(scenes) / sizeof(scenes[0]), count, arguments);
}
