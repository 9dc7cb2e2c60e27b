/* SPDX-License-Identifier: Apache-2.0 */
/* build: musl -pthread -Wno-unused-result */
/*
 * What is awkward in one process: shim_traps WHAT prints the same and ends the same with and without the
 * shim; see test_shim_traps.py, which also names the traps.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "shim_results.h"

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

#define CLOSE_RANGE 436 /* SYS_close_range of every architecture; older headers have none */

/* ---- stacks (T10) */

static size_t least_signal_stack(void)
{
	size_t said = getauxval(AT_MINSIGSTKSZ);

	return said > 2048 ? said : 2048;
}

static void handle(int number)
{
	int saved = errno;

	(void)number;
	if (call_all() != 4)
		_exit(9);
	errno = saved;
}

static void *on_tiny_stack(void *unused)
{
	size_t bytes = 2 * least_signal_stack();
	stack_t stack = {.ss_sp = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
		.ss_size = bytes};

	sigaltstack(&stack, NULL);
	for (int i = 0; i < 100; i++) {
		raise(SIGUSR1);
		if (call_all() != 4)
			_exit(8);
	}
	return unused;
}

static void scene_tiny_stacks(void)
{
	struct sigaction action = {.sa_handler = handle, .sa_flags = SA_ONSTACK};
	pthread_attr_t tiny;
	pthread_t thread[20];

	sigaction(SIGUSR1, &action, NULL);
	pthread_attr_init(&tiny);
	say("set",
		pthread_attr_setstacksize(&tiny, (size_t)sysconf(_SC_THREAD_STACK_MIN) + least_signal_stack()));
	for (int i = 0; i < 20; i++)
		say("made", pthread_create(&thread[i], &tiny, on_tiny_stack, NULL));
	for (int i = 0; i < 20; i++)
		say("joined", pthread_join(thread[i], NULL));
}

/* ---- ends (T46) */

static void late(void)
{
	say("late", call_all());
}

static void *hang(void *unused)
{
	for (;;)
		read(silent[0], &byte_, 1);
	return unused;
}

static void start_hanging(void)
{
	pthread_t thread;

	atexit(late);
	for (int i = 0; i < 4; i++)
		pthread_create(&thread, NULL, hang, NULL);
	call_all();
}

static void scene_exit(void)
{
	start_hanging();
	exit(11);
}

static void scene_underscore_exit(void)
{
	start_hanging();
	_exit(12);
}

static void scene_quick_exit(void)
{
	start_hanging();
	at_quick_exit(late);
	quick_exit(13);
}

static void scene_abort(void)
{
	start_hanging();
	abort();
}

static void *exit_here(void *unused)
{
	call_all();
	exit(14);
	return unused;
}

static void scene_exit_in_thread(void)
{
	pthread_t thread;

	start_hanging();
	pthread_create(&thread, NULL, exit_here, NULL);
	hang(NULL);
}

static void *end_last(void *main_)
{
	pthread_join(*(pthread_t *)main_, NULL);
	say("last", call_all());
	return NULL;
}

static void scene_last_thread(void)
{
	static pthread_t main_;
	pthread_t thread;

	main_ = pthread_self();
	atexit(late);
	pthread_create(&thread, NULL, end_last, &main_);
	pthread_exit(NULL);
}

static void scene_killed(void)
{
	start_hanging();
	raise(SIGKILL);
}

/* ---- processes (T14, T16, T17) */

static void scene_vfork_fails(void)
{
	for (volatile int i = 0; i < 100; i++) {
		pid_t child = vfork();

		if (child == 0) {
			poll(NULL, 0, 0);
			execl("/nonexistent/program", "program", (char *)NULL);
			_exit(127);
		}
		if (!WIFEXITED(status_of(child)) || call_all() != 4)
			_exit(9);
	}
	say("vforked", 100);
}

static int clone_child(void *unused)
{
	(void)unused;
	call_all();
	_exit(3);
}

static void scene_clone_vm(void)
{
	const size_t bytes = 65536;
	char *stack = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (int i = 0; i < 100; i++) {
		pid_t child = clone(clone_child, stack + bytes, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);

		if (WEXITSTATUS(status_of(child)) != 3 || call_all() != 4)
			_exit(9);
	}
	say("cloned", 100);
}

static void scene_close_range(void)
{
	int before = open("/dev/null", O_RDONLY);

	syscall(CLOSE_RANGE, 3, ~0u, 0);
	say("first free", open("/dev/null", O_RDONLY));
	say("was", before);
	pipe(silent);
	say("calls", call_all());
	pid_t child = fork();

	if (child == 0)
		_exit(call_all());
	say("fork", WEXITSTATUS(status_of(child)));
}

/* ---- locks (T28) */

static pthread_mutex_t made(int type, int protocol, int shared, int robust)
{
	pthread_mutexattr_t attributes;
	pthread_mutex_t mutex;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(&attributes, type);
	pthread_mutexattr_setprotocol(&attributes, protocol);
	pthread_mutexattr_setpshared(&attributes, shared);
	pthread_mutexattr_setrobust(&attributes, robust);
	say("init", pthread_mutex_init(&mutex, &attributes));
	return mutex;
}

static pthread_mutex_t *tried;

static void *take_and_die(void *unused)
{
	say("other", pthread_mutex_lock(tried));
	return unused;
}

static void try_mutex(pthread_mutex_t *mutex)
{
	struct timespec past = {1, 0}, now;
	pthread_t thread;

	clock_gettime(CLOCK_REALTIME, &now);
	now.tv_nsec += now.tv_nsec < 990000000 ? 10000000 : 0;
	int held = say("lock", pthread_mutex_lock(mutex)) == 0;

	held += say("again", pthread_mutex_timedlock(mutex, &past)) == 0;
	held += say("again", pthread_mutex_timedlock(mutex, &now)) == 0;
	while (held-- > 0)
		say("unlock", pthread_mutex_unlock(mutex));
	tried = mutex;
	pthread_create(&thread, NULL, take_and_die, NULL);
	pthread_join(thread, NULL);
	int taken = pthread_mutex_timedlock(mutex, &past);

	say("of the dead", taken);
	if (taken == EOWNERDEAD)
		say("consistent", pthread_mutex_consistent(mutex));
}

static void scene_mutexes(void)
{
	static const int types[] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK};
	static const int protocols[] = {PTHREAD_PRIO_NONE, PTHREAD_PRIO_INHERIT};

	for (unsigned i = 0; i < 3 * 2 * 2 * 2; i++) {
		pthread_mutex_t mutex = made(types[i % 3], protocols[i / 3 % 2],
			i / 6 % 2 ? PTHREAD_PROCESS_SHARED : PTHREAD_PROCESS_PRIVATE,
			i / 12 ? PTHREAD_MUTEX_ROBUST : PTHREAD_MUTEX_STALLED);

		say("mutex", (long)i);
		try_mutex(&mutex);
	}
}

/* A daemon that has gone into a root of its own as nobody, forks: the child needs no name to be seen. */
static void scene_chroot(void)
{
	char directory[] = "/tmp/shim-traps-XXXXXX";

	if (!mkdtemp(directory) || chroot(directory) || chdir("/") || setgid(65534) || setuid(65534))
		_exit(65);
	pid_t child = fork();

	if (child == 0) {
		step("child");
		read(silent[0], &byte_, 1);
	}
	step("parent");
	say("child", status_of(child));
}

static const struct scene scenes[] = {
	SCENE(tiny_stacks),
	SCENE(exit),
	SCENE(underscore_exit),
	SCENE(quick_exit),
	SCENE(abort),
	SCENE(exit_in_thread),
	SCENE(last_thread),
	SCENE(killed),
	SCENE(vfork_fails),
	SCENE(clone_vm),
	SCENE(close_range),
	SCENE(mutexes),
	SCENE(chroot),
};

int main(int count, char **arguments)
{
	return play(scenes, sizeof(scenes) / sizeof(scenes[0]), count, arguments);
}
