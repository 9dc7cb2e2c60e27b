/* SPDX-License-Identifier: Apache-2.0 */
/* build: -pthread musl */
/* explain_waits SCENE: threads, or processes, that wait for each other in the way that SCENE names; see the
 * table at its end. Prints "ready" when all of them have been started; they wait for each other soon after. */
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

enum { MOST = 8 };

pthread_mutex_t journal = PTHREAD_MUTEX_INITIALIZER, accounts = PTHREAD_MUTEX_INITIALIZER,
		index_lock = PTHREAD_MUTEX_INITIALIZER;
pthread_rwlock_t catalogue = PTHREAD_RWLOCK_INITIALIZER;
pthread_cond_t news = PTHREAD_COND_INITIALIZER;
sem_t tokens;
static pthread_barrier_t all_hold;
static pthread_t threads[MOST];

struct pair {
	const char *name;
	pthread_mutex_t *first, *second;
};

static void start(unsigned index, void *(*body)(void *), void *argument)
{
	if (pthread_create(&threads[index], NULL, body, argument) != 0)
		exit(1);
}

static void *take_both(void *argument)
{
	const struct pair *pair = argument;

	pthread_setname_np(pthread_self(), pair->name);
	pthread_mutex_lock(pair->first);
	pthread_barrier_wait(&all_hold);
	pthread_mutex_lock(pair->second);
	return NULL;
}

static void *want_journal(void *name)
{
	pthread_setname_np(pthread_self(), name);
	pthread_mutex_lock(&journal);
	return NULL;
}

static struct pair two[] = {{"poster", &journal, &accounts}, {"rotator", &accounts, &journal}};
static struct pair three[] = {
	{"first", &journal, &accounts}, {"second", &accounts, &index_lock}, {"third", &index_lock, &journal}};

static void abba(void)
{
	static char names[][16] = {"victim-1", "victim-2"};

	pthread_barrier_init(&all_hold, NULL, 3);
	start(0, take_both, &two[0]);
	start(1, take_both, &two[1]);
	pthread_barrier_wait(&all_hold);
	start(2, want_journal, names[0]);
	start(3, want_journal, names[1]);
}

static void on_tick(int number)
{
	(void)number;
}

/* The same under a timer whose signal wakes whichever thread takes it. */
static void abba_ticking(void)
{
	struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
	struct itimerval every = {{0, 100000}, {0, 100000}};
	sigset_t alarm_only;

	sigaction(SIGALRM, &action, NULL);
	abba();
	sigemptyset(&alarm_only);
	sigaddset(&alarm_only, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &alarm_only, NULL); /* main stands aside: the deadlocked ones get it */
	setitimer(ITIMER_REAL, &every, NULL);
}

static void three_cycle(void)
{
	pthread_barrier_init(&all_hold, NULL, 4);
	for (unsigned i = 0; i < 3; i++)
		start(i, take_both, &three[i]);
	pthread_barrier_wait(&all_hold);
}

static void *twice(void *argument)
{
	(void)argument;
	pthread_setname_np(pthread_self(), "selfish");
	pthread_mutex_lock(&journal);
	pthread_mutex_lock(&journal);
	return NULL;
}

static void self(void)
{
	start(0, twice, NULL);
}

static void *leave(void *argument)
{
	(void)argument;
	pthread_mutex_lock(&journal);
	return NULL;
}

static void orphan(void)
{
	static char name[] = "heir";

	start(0, leave, NULL);
	pthread_join(threads[0], NULL);
	start(0, want_journal, name);
}

static void *want_write(void *argument)
{
	(void)argument;
	pthread_setname_np(pthread_self(), "editor");
	pthread_rwlock_wrlock(&catalogue);
	return NULL;
}

static void *want_read(void *argument)
{
	(void)argument;
	pthread_setname_np(pthread_self(), "visitor");
	pthread_rwlock_rdlock(&catalogue);
	return NULL;
}

static void rwlock_writer(void)
{
	pthread_rwlock_wrlock(&catalogue);
	start(0, want_write, NULL);
	start(1, want_read, NULL);
}

static void rwlock_reader(void)
{
	pthread_rwlock_rdlock(&catalogue);
	start(0, want_write, NULL);
}

static void *join_other(void *argument)
{
	pthread_t *other = argument;

	pthread_setname_np(pthread_self(), other == &threads[0] ? "child-b" : "child-a");
	pthread_barrier_wait(&all_hold);
	pthread_join(*other, NULL);
	return NULL;
}

static void joins(void)
{
	pthread_barrier_init(&all_hold, NULL, 3);
	start(0, join_other, &threads[1]);
	start(1, join_other, &threads[0]);
	pthread_barrier_wait(&all_hold);
}

static void *await(void *argument)
{
	(void)argument;
	pthread_setname_np(pthread_self(), "listener");
	pthread_mutex_lock(&accounts);
	pthread_cond_wait(&news, &accounts);
	return NULL;
}

static void *acquire(void *argument)
{
	(void)argument;
	pthread_setname_np(pthread_self(), "taker");
	sem_wait(&tokens);
	return NULL;
}

static void *await_some(void *argument)
{
	struct timespec until;

	(void)argument;
	pthread_setname_np(pthread_self(), "patient");
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 3600;
	pthread_mutex_timedlock(&journal, &until);
	return NULL;
}

/* Main holds the mutex that `patient` wants for an hour at most; nobody waits for main. */
static void healthy(void)
{
	pthread_mutex_lock(&journal);
	sem_init(&tokens, 0, 0);
	start(0, await, NULL);
	start(1, acquire, NULL);
	start(2, await_some, NULL);
}

static void *print(void *argument)
{
	(void)argument;
	pthread_setname_np(pthread_self(), "printer");
	puts("never");
	return NULL;
}

/* Main keeps stdout locked. */
static void stream(void)
{
	puts("ready");
	fflush(stdout);
	flockfile(stdout);
	start(0, print, NULL);
	pause();
}

static void robust(void)
{
	static char name[] = "heir";
	pthread_mutexattr_t attributes;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&journal, &attributes);
	pthread_mutex_lock(&journal);
	start(0, want_journal, name);
}

static void inheriting(void)
{
	static char name[] = "heir";
	pthread_mutexattr_t attributes;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(&journal, &attributes);
	pthread_mutex_lock(&journal);
	start(0, want_journal, name);
}

static void full_pipe(void)
{
	static char block[1 << 20];
	int fds[2];

	if (pipe(fds) < 0)
		exit(1);
	if (fork() == 0) {
		close(fds[1]);
		pause();
	}
	close(fds[0]);
	puts("ready");
	fflush(stdout);
	(void)!write(fds[1], block, sizeof(block));
}

/* The parent reads what the child says, the child what the parent says. */
static void pipe_cycle(void)
{
	int down[2], up[2];
	char byte;

	if (pipe(down) < 0 || pipe(up) < 0)
		exit(1);
	if (fork() == 0) {
		close(down[1]);
		close(up[0]);
		(void)!read(down[0], &byte, 1);
		exit(0);
	}
	close(down[0]);
	close(up[1]);
	puts("ready");
	fflush(stdout);
	(void)!read(up[0], &byte, 1);
}

/* The child wants the lock that its parent holds, the parent waits for its end. */
static void child_lock(void)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = open("lock", O_RDWR | O_CREAT, 0600);
	pid_t child;

	if (fd < 0 || fcntl(fd, F_SETLK, &whole) < 0)
		exit(1);
	child = fork();
	if (child == 0) {
		fcntl(fd, F_SETLKW, &whole);
		exit(0);
	}
	puts("ready");
	fflush(stdout);
	waitpid(child, NULL, 0);
}

static void flock_wait(void)
{
	int fd = open("lock", O_RDWR | O_CREAT, 0600);

	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		exit(1);
	if (fork() == 0) {
		fd = open("lock", O_RDWR);
		flock(fd, LOCK_EX);
		exit(0);
	}
}

static void unix_pair(void)
{
	int ends[2];
	char byte;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
		exit(1);
	if (fork() == 0) {
		close(ends[0]);
		pause();
	}
	close(ends[1]);
	puts("ready");
	fflush(stdout);
	(void)!recv(ends[0], &byte, 1, 0);
}

static void spin(void)
{
	volatile unsigned long turns = 0;

	puts("ready");
	fflush(stdout);
	for (;;)
		turns++;
}

static const struct {
	const char *name;
	void (*play)(void);
} scenes[] = {{"abba", abba}, {"abba_ticking", abba_ticking}, {"three", three_cycle}, {"self", self},
	{"orphan", orphan}, {"rwlock_writer", rwlock_writer}, {"rwlock_reader", rwlock_reader},
	{"joins", joins}, {"healthy", healthy}, {"stream", stream}, {"robust", robust},
	{"inheriting", inheriting}, {"full_pipe", full_pipe}, {"pipe_cycle", pipe_cycle},
	{"child_lock", child_lock}, {"flock", flock_wait}, {"unix_pair", unix_pair}, {"spin", spin}};

int main(int argc, char **argv)
{
	for (unsigned i = 0; argc == 2 && i < sizeof(scenes) / sizeof(scenes[0]); i++) {
		if (strcmp(scenes[i].name, argv[1]) != 0)
			continue;
		scenes[i].play();
		puts("ready");
		fflush(stdout);
		pause();
		return 0;
	}
	return 64;
}
