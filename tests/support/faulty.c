/* SPDX-License-Identifier: Apache-2.0 */
/* build: -pthread */
/*
 * faulty SCENE PORT [WORD]: a server of lines on 127.0.0.1:PORT with one fault in it. The line "fault" sets it off in
 * whoever serves it, every other one comes back in upper case. SCENE is one of the table at the end; either the main
 * thread accepts and a pool works, with room for few connections between them, or one loop does all.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { WORKERS = 4, ROOM = 2, LINKS = 64, LINE = 256 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER, journal = PTHREAD_MUTEX_INITIALIZER, accounts = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER, room = PTHREAD_COND_INITIALIZER, never = PTHREAD_COND_INITIALIZER,
		      back = PTHREAD_COND_INITIALIZER;
static int queue[ROOM];	    /* guarded by lock */
static unsigned put, taken; /* guarded by lock */
static int free_links = 2;  /* guarded by lock: connections to the database that nobody uses */
static const char *word = "";

static int connect_to(const char *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		exit(1);
	return fd;
}

/* ---- faults; `fd` is the connection that has set it off */

/* 42: it logs more than anybody reads, and holds the stream's lock meanwhile. */
static void talk(int fd)
{
	static char text[4096];

	(void)fd;
	memset(text, 'x', sizeof(text) - 1);
	for (;;)
		fputs(text, stdout);
}

static void log_line(void)
{
	fputs("a request was served\n", stdout);
}

/* 45: the thread ends and still owns the lock that each request takes. */
static void die(int fd)
{
	close(fd);
	pthread_mutex_lock(&journal);
	pthread_exit(NULL);
}

static void use_journal(void)
{
	pthread_mutex_lock(&journal);
	pthread_mutex_unlock(&journal);
}

/* 46: a handler that allocates while the loop does. */
static void *volatile at_hand;

static void on_alarm(int number)
{
	(void)number;
	at_hand = malloc(3000); /* volatile: a compiler leaves out what nobody uses */
	free(at_hand);
}

static void allocate(int fd)
{
	struct itimerval often = {{0, 300}, {0, 300}};

	(void)fd;
	signal(SIGALRM, on_alarm);
	setitimer(ITIMER_REAL, &often, NULL);
	for (unsigned i = 0;; i++) {
		void *volatile kept = malloc(2000 + i % 3000);

		free(kept);
	}
}

static void *rest(void *unused)
{
	sigset_t none;

	sigfillset(&none);
	pthread_sigmask(SIG_BLOCK, &none, NULL);
	for (;;)
		pause();
	return unused;
}

static void begin_resting(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, rest, NULL);
}

/* 47: a thread each time, and nobody joins it. */
static void leak(int fd)
{
	(void)fd;
	begin_resting();
}

/* 48: a file on a disk that hangs. */
static void save(int fd)
{
	int file = open(word, O_CREAT | O_WRONLY | O_APPEND, 0600);

	(void)fd;
	(void)!write(file, "line\n", 5);
	fsync(file);
	close(file);
}

/* 49: the wake-up came before the wait. */
static void miss_wakeup(int fd)
{
	(void)fd;
	pthread_mutex_lock(&lock);
	for (;;)
		pthread_cond_wait(&never, &lock);
}

/* 50: until a moment by a clock that has been set back by a day since. */
static void wait_for_a_day(int fd)
{
	struct timespec until;

	(void)fd;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 86400;
	pthread_mutex_lock(&lock);
	while (pthread_cond_timedwait(&never, &lock, &until) != ETIMEDOUT)
		;
	pthread_mutex_unlock(&lock);
}

/* A pool of connections run empty: this one is never given back. */
static void take_link(void)
{
	pthread_mutex_lock(&lock);
	while (free_links == 0)
		pthread_cond_wait(&back, &lock);
	free_links--;
	pthread_mutex_unlock(&lock);
}

static void use_link(void)
{
	take_link();
	pthread_mutex_lock(&lock);
	free_links++;
	pthread_cond_signal(&back);
	pthread_mutex_unlock(&lock);
}

static void lose_link(int fd)
{
	(void)fd;
	take_link();
}

static void connect_links(void)
{
	for (int i = 0; i < free_links; i++)
		(void)!send(connect_to(word), "hello\n", 6, MSG_NOSIGNAL);
}

/* Two who take the same locks in turn, and a timer's signal that wakes one of them ten times a second. */
static pthread_barrier_t both;

static void on_tick(int number)
{
	(void)number;
}

static void begin_ticking(void)
{
	struct itimerval often = {{0, 100000}, {0, 100000}};

	pthread_barrier_init(&both, NULL, 2);
	signal(SIGALRM, on_tick);
	setitimer(ITIMER_REAL, &often, NULL);
}

static void cross(int fd)
{
	static unsigned count;
	bool second = __atomic_fetch_add(&count, 1, __ATOMIC_RELAXED) % 2;
	pthread_mutex_t *mine = second ? &accounts : &journal, *other = second ? &journal : &accounts;

	(void)fd;
	pthread_mutex_lock(mine);
	pthread_barrier_wait(&both);
	pthread_mutex_lock(other);
	pthread_mutex_unlock(other);
	pthread_mutex_unlock(mine);
}

static const struct scene {
	const char *name;
	void (*fault)(int fd);
	void (*each)(void);  /* for each line */
	void (*begin)(void); /* before it serves */
	bool alone;
} scenes[] = {
	{"log", talk, log_line, NULL, false},
	{"die", die, use_journal, NULL, false},
	{"handler", allocate, NULL, begin_resting, true},
	{"leak", leak, NULL, NULL, true},
	{"file", save, NULL, NULL, true},
	{"files", save, NULL, NULL, false},
	{"lost", miss_wakeup, NULL, NULL, false},
	{"clock", wait_for_a_day, NULL, NULL, false},
	{"links", lose_link, use_link, connect_links, false},
	{"ticking", cross, use_journal, begin_ticking, false},
	{"descriptors", NULL, NULL, NULL, true},
};
static const struct scene *scene;

/* ---- serving */

/* False: it has hung up. */
static bool serve_once(int fd)
{
	char line[LINE];
	ssize_t got = recv(fd, line, sizeof(line), 0);

	if (got <= 0)
		return false;
	if (scene->fault && got >= 5 && memcmp(line, "fault", 5) == 0)
		scene->fault(fd);
	else if (scene->each)
		scene->each();
	for (ssize_t i = 0; i < got; i++)
		line[i] = (char)toupper((unsigned char)line[i]);
	(void)!send(fd, line, (size_t)got, MSG_NOSIGNAL); /* the peer may be gone */
	return true;
}

static int take(void)
{
	int fd;

	pthread_mutex_lock(&lock);
	while (put == taken)
		pthread_cond_wait(&more, &lock);
	fd = queue[taken++ % ROOM];
	pthread_cond_signal(&room);
	pthread_mutex_unlock(&lock);
	return fd;
}

static void *work(void *unused)
{
	for (;;) {
		int fd = take();

		while (serve_once(fd))
			;
		close(fd);
	}
	return unused;
}

static void give(int fd)
{
	pthread_mutex_lock(&lock);
	while (put - taken == ROOM)
		pthread_cond_wait(&room, &lock);
	queue[put++ % ROOM] = fd;
	pthread_cond_signal(&more);
	pthread_mutex_unlock(&lock);
}

static void serve_by_pool(int listener)
{
	pthread_t thread;

	for (int i = 0; i < WORKERS; i++)
		pthread_create(&thread, NULL, work, NULL);
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd >= 0)
			give(fd);
	}
}

static void serve_alone(int listener)
{
	struct pollfd set[LINKS] = {{.fd = listener, .events = POLLIN}};
	nfds_t count = 1;

	for (;;) {
		poll(set, count, -1);
		for (nfds_t i = count; i-- > 1;) {
			if (set[i].revents && !serve_once(set[i].fd)) {
				close(set[i].fd);
				set[i] = set[--count];
			}
		}
		if (set[0].revents && count < LINKS) {
			int fd = accept(listener, NULL, NULL);

			if (fd >= 0)
				set[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
		}
	}
}

static int listen_at(const char *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
	int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 64))
		exit(1);
	return fd;
}

int main(int argc, char **argv)
{
	int listener;

	if (argc < 3)
		return 64;
	word = argc > 3 ? argv[3] : word;
	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++)
		scene = strcmp(argv[1], scenes[i].name) == 0 ? &scenes[i] : scene;
	if (!scene)
		return 64;
	if (scene->begin)
		scene->begin();
	listener = listen_at(argv[2]);
	if (scene->alone)
		serve_alone(listener);
	else
		serve_by_pool(listener);
	return 0;
}
