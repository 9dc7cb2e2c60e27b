/* SPDX-License-Identifier: Apache-2.0 */
/* build: musl -pthread -Wno-unused-result */
/*
 * One thread for each way to wait, or for each CALL that is an argument, for ever: prints "TID CALL" for
 * each, then "ready", and ends with its stdin. What a C library does not have is left out.
 * --cancel: cancels them all and prints "CALL cleaned" or "CALL stays".
 */
#include <aio.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#include "shim_zoo.h"

enum { FUTEX_WAIT_FOR = 0 }; /* FUTEX_WAIT: musl has no <linux/futex.h> */

static char byte_, line[16];
static const char *volatile text = "x"; /* a compiler that knows it makes fputs an fwrite */
static struct iovec part = {&byte_, 1};
static struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
static int sem_id, msg_id, full_id;
static pid_t child;

static struct timespec later(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	time.tv_sec += 10000;
	return time;
}
/* not by name: glibc's header makes it a getdelim */
static ssize_t (*volatile getline_)(char **, size_t *, FILE *) = getline;

#define LATER (&(struct timespec){10000, 0})
#define LATER_OF(clock) (&(struct timespec[]){later(clock)}[0])

/* Nothing will ever come out of it. */
static int empty_pipe(void)
{
	int ends[2];

	return pipe(ends) ? -1 : ends[0];
}

/* Nothing more fits into it. */
static int full_pipe(void)
{
	int ends[2];

	pipe(ends);
	fcntl(ends[1], F_SETFL, O_NONBLOCK);
	for (char block[4096] = {0}; write(ends[1], block, sizeof(block)) > 0;)
		;
	while (write(ends[1], "", 1) > 0)
		;
	fcntl(ends[1], F_SETFL, 0);
	return ends[1];
}

static int silent_socket(void)
{
	int ends[2];

	socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
	return ends[0];
}

static int full_socket(void)
{
	int fd = silent_socket();

	for (char block[4096] = {0}; send(fd, block, sizeof(block), MSG_DONTWAIT) > 0;)
		;
	while (send(fd, "", 1, MSG_DONTWAIT) > 0)
		;
	return fd;
}

static int listener(void)
{
	struct sockaddr_un any = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	bind(fd, (struct sockaddr *)&any, sizeof(any.sun_family));
	listen(fd, 0);
	return fd;
}

static void connect_to_full(void)
{
	struct sockaddr_un address;
	socklen_t bytes = sizeof(address);
	int fd = listener();

	getsockname(fd, (struct sockaddr *)&address, &bytes);
	for (;;) /* the one that finds the queue full waits */
		connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&address, bytes);
}

static FILE *empty_stream(void)
{
	return fdopen(empty_pipe(), "r");
}

static FILE *full_stream(int buffering)
{
	FILE *stream = fdopen(full_pipe(), "w");

	setvbuf(stream, NULL, buffering, buffering == _IONBF ? 0 : 4096);
	return stream;
}

static const char *fifo(void)
{
	static _Atomic int count;
	char *path = malloc(64);

	snprintf(path, 64, "fifo-%d", count++);
	mkfifo(path, 0600);
	return path;
}

static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER, mine = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t cond_mutex[3] = {
	PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER};
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t barrier;
static sem_t sem;
static mtx_t held_mtx, cnd_mtx[2];
static cnd_t cnd;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static FILE *locked_stream;
static sigset_t nothing, some;
static int word;

static void *for_ever(void *unused)
{
	for (;;)
		poll(NULL, 0, -1);
	return unused;
}

static int c11_for_ever(void *unused)
{
	for_ever(unused);
	return 0;
}

static pthread_t endless(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, for_ever, NULL);
	return thread;
}

static thrd_t c11_endless(void)
{
	thrd_t thread;

	thrd_create(&thread, c11_for_ever, NULL);
	return thread;
}

static void once_body(void)
{
	for_ever(NULL);
}

static void once_loser(void)
{
	pthread_once(&once, once_body);
}

static int epoll_of_nothing(void)
{
	return epoll_create1(0);
}

static int flocked(void)
{
	int holder = open("flocked", O_CREAT | O_RDWR, 0600);

	flock(holder, LOCK_EX);
	return open("flocked", O_RDWR);
}

static void ofd_wait(void)
{
	struct flock whole = {.l_type = F_WRLCK};
	int holder = open("locked", O_CREAT | O_RDWR, 0600);

	fcntl(holder, F_OFD_SETLK, &whole);
	fcntl(open("locked", O_RDWR), F_OFD_SETLKW, &whole);
}

static mqd_t queue(int full)
{
	static _Atomic int count;
	struct mq_attr attributes = {.mq_maxmsg = 1, .mq_msgsize = 1};
	char name[64];

	snprintf(name, sizeof(name), "/shim-zoo-%d-%d", getpid(), count++);
	mqd_t made = mq_open(name, O_CREAT | O_RDWR, 0600, &attributes);

	mq_unlink(name);
	if (full)
		mq_send(made, "", 1, 0);
	return made;
}

static void aio_wait(void)
{
	static struct aiocb block;
	const struct aiocb *list[] = {&block};

	block.aio_fildes = empty_pipe();
	block.aio_buf = &byte_;
	block.aio_nbytes = 1;
	aio_read(&block);
	aio_suspend(list, 1, NULL);
}

static struct epoll_event event;
static struct sembuf down = {0, -1, 0};
static struct {
	long type;
	char text[1];
} letter = {1, ""};
static struct mmsghdr many;

static void msgsnd_to_full(void)
{
	while (msgsnd(full_id, &letter, 1, IPC_NOWAIT) == 0)
		;
	msgsnd(full_id, &letter, 1, 0);
}

#define BODY(call, ...)                                                                                        \
	static void wait_in_##call(void)                                                                       \
	{                                                                                                      \
		__VA_ARGS__;                                                                                   \
	}
ANIMALS(BODY)
ANIMALS_OF_GLIBC(BODY)
ANIMALS_OF_LATER_GLIBC(BODY)

struct animal {
	const char *call;
	void (*wait)(void);
	_Atomic int tid;
	_Atomic int cleaned;
	pthread_t thread;
};
#define ROW(call, ...) {#call, wait_in_##call, 0, 0, 0},
static struct animal animals[] = {ANIMALS(ROW) ANIMALS_OF_GLIBC(ROW) ANIMALS_OF_LATER_GLIBC(ROW)};

#include "shim_zoo_cancel.h"

static void clean_up(void *cleaned)
{
	*(_Atomic int *)cleaned = 1;
}

static void *live(void *animal_)
{
	struct animal *animal = animal_;

	pthread_cleanup_push(clean_up, &animal->cleaned);
	animal->tid = (int)syscall(SYS_gettid);
	for (;;)
		animal->wait();
	pthread_cleanup_pop(0);
	return NULL;
}

static pthread_t start(void *(*body)(void *), void *argument)
{
	pthread_t thread;
	pthread_attr_t small;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 65536);
	if (pthread_create(&thread, &small, body, argument))
		abort();
	return thread;
}

static void *hold_things(void *go_)
{
	_Atomic int *go = go_;

	pthread_mutex_lock(&held);
	pthread_rwlock_wrlock(&rwlock);
	mtx_init(&held_mtx, mtx_timed);
	mtx_lock(&held_mtx);
	locked_stream = tmpfile();
	flockfile(locked_stream);
	*go = 1;
	once_loser(); /* the first comer runs the body */
	return NULL;
}

static void prepare(void)
{
	static _Atomic int go;

	sigemptyset(&nothing);
	sigemptyset(&some);
	sigaddset(&some, SIGUSR2);
	sigprocmask(SIG_BLOCK, &some, NULL);
	pthread_mutex_lock(&mine);
	pthread_barrier_init(&barrier, NULL, 2);
	mtx_init(&cnd_mtx[0], mtx_plain);
	mtx_init(&cnd_mtx[1], mtx_plain);
	cnd_init(&cnd);
	many.msg_hdr = message;
	sem_id = semget(IPC_PRIVATE, 1, 0600);
	msg_id = msgget(IPC_PRIVATE, 0600);
	full_id = msgget(IPC_PRIVATE, 0600);
	int alive[2];

	pipe(alive);
	child = fork();
	if (child == 0) {
		close(alive[1]);
		_exit((int)read(alive[0], &byte_, 1));
	}
	start(hold_things, &go);
	while (!go)
		sched_yield();
}

static int is_wanted(const char *call, char **calls)
{
	if (!*calls)
		return 1;
	while (*calls && strcmp(*calls, call) != 0)
		calls++;
	return *calls != NULL;
}

int main(int count, char **arguments)
{
	int cancels = count == 2 && strcmp(arguments[1], "--cancel") == 0;

	prepare();
	for (size_t i = 0; i < sizeof(animals) / sizeof(animals[0]); i++) {
		if (!cancels && !is_wanted(animals[i].call, arguments + 1))
			continue;
		animals[i].thread = start(live, &animals[i]);
		while (!animals[i].tid)
			sched_yield();
		if (!cancels)
			printf("%d %s\n", animals[i].tid, animals[i].call);
	}
	if (cancels) {
		cancel_all();
	} else {
		puts("ready");
		fflush(stdout);
		while (read(0, &byte_, 1) > 0)
			;
	}
	semctl(sem_id, 0, IPC_RMID);
	msgctl(msg_id, IPC_RMID, NULL);
	msgctl(full_id, IPC_RMID, NULL);
	_exit(0);
}
