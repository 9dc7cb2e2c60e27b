/* SPDX-License-Identifier: Apache-2.0 */
/* build: -pthread */
/*
 * A hostile process of a service: it writes over the segment that it has mapped like every other one.
 *   scribble ROUNDS SEED [WHAT…]   rounds of what WHAT names (default: all), then "done ROUNDS" and waits
 *   scribble work ROUNDS SEED      a root parent that works with threads, locks, pipes and forks while a child
 *                                  of user nobody scribbles; prints what the work came to
 * Without a segment nothing is written and everything else is the same.
 */
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lifesign/segment.h>

static struct segment_header *header;
static struct segment_process *processes;
static struct segment_slot *slots;
static size_t bytes;
static uint32_t process_count, slot_count;
static uint64_t seed;

static uint64_t draw(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Found as any code in the process can find it. */
static int find_segment(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];

	while (maps && !header && fgets(line, sizeof(line), maps)) {
		unsigned long from, to;

		if (strstr(line, "memfd:lifesign") && sscanf(line, "%lx-%lx rw-s", &from, &to) == 2) {
			header = (struct segment_header *)from;
			bytes = to - from;
		}
	}
	if (maps)
		fclose(maps);
	if (!header)
		return -1;
	processes = (struct segment_process *)((char *)header + header->process_offset);
	slots = (struct segment_slot *)((char *)header + header->slot_offset);
	process_count = header->process_count;
	slot_count = header->slot_count;
	return 0;
}

static void pour(void *to, size_t size)
{
	for (size_t i = 0; i + 8 <= size; i += 8)
		*(volatile uint64_t *)((char *)to + i) = draw();
}

static void random_everywhere(void)
{
	pour(processes, bytes - SEGMENT_HEADER_BYTES);
}

static void zeroes(void)
{
	memset(processes, 0, bytes - SEGMENT_HEADER_BYTES);
}

static void ones(void)
{
	memset(processes, 0xff, bytes - SEGMENT_HEADER_BYTES);
}

static uint32_t some_pid(void)
{
	const uint32_t pids[] = {0, 1, (uint32_t)getpid(), (uint32_t)getppid(), (uint32_t)draw(), UINT32_MAX, UINT32_C(1) << 31,
		(uint32_t)getpid() + (uint32_t)(draw() % 8) - 4};

	return pids[draw() % (sizeof(pids) / sizeof(pids[0]))];
}

static void claims_of_others(void)
{
	for (uint32_t i = 0; i < slot_count; i++) {
		slots[i].tid = some_pid();
		slots[i].claim = draw() << 32 | some_pid();
	}
	for (uint32_t i = 0; i < process_count; i++)
		processes[i].claim = draw() << 32 | some_pid();
}

/* As a shim would write it, and yet nothing of it is true: every thread waits for a lock that another one holds. */
static void a_deadlock(void)
{
	for (uint32_t i = 0; i < slot_count; i++) {
		slots[i].object = (uint64_t)(uintptr_t)&slots[(i + 1) % slot_count];
		slots[i].call = 1 + draw() % 30;
		slots[i].process = i % process_count;
		slots[i].claim = UINT64_C(1) << 32 | (uint32_t)getppid();
		slots[i].tid = (uint32_t)getppid();
	}
}

static void operations_out_of_range(void)
{
	for (uint32_t i = 0; i < slot_count; i++) {
		slots[i].call = draw() & (draw() % 2 ? CALL_OP_MASK : UINT64_MAX);
		slots[i].container = draw();
		slots[i].extra = draw() >> draw() % 64;
	}
}

static void process_indexes(void)
{
	for (uint32_t i = 0; i < slot_count; i++)
		slots[i].process = (uint32_t)draw();
}

static void stamps_of_the_future(void)
{
	for (uint32_t i = 0; i < slot_count; i++)
		slots[i].stamp = UINT64_MAX >> draw() % 3;
	for (uint32_t i = 0; i < process_count; i++)
		processes[i].stamp = UINT64_MAX >> draw() % 3;
}

static void entries_backwards(void)
{
	for (uint32_t i = 0; i < slot_count; i++)
		slots[i].entries -= draw() % 1000;
}

static void names_without_end(void)
{
	for (uint32_t i = 0; i < slot_count; i++)
		pour(slots[i].name, sizeof(slots[i].name));
}

static void generations(void)
{
	for (uint32_t i = 0; i < slot_count; i++)
		slots[i].claim += UINT64_C(1) << 32;
}

static void everything_taken(void)
{
	for (uint32_t i = 0; i < slot_count; i++)
		slots[i].claim = UINT64_C(7) << 32 | (uint32_t)getpid();
	for (uint32_t i = 0; i < process_count; i++)
		processes[i].claim = UINT64_C(7) << 32 | (uint32_t)getpid();
	header->threads_refused++;
}

static void frames_and_stacks(void)
{
	for (uint32_t i = 0; i < slot_count; i++) {
		slots[i].frame = draw() >> draw() % 64;
		slots[i].stack_top = draw() >> draw() % 64;
		slots[i].nested = draw();
	}
}

static void the_header(void)
{
	size_t at = draw() % 4 ? draw() % 24 : draw() % (SEGMENT_HEADER_BYTES / 8);

	((volatile uint64_t *)header)[at] = draw() % 3 ? draw() : draw() % 2 ? 0 : UINT64_MAX;
}

static const struct {
	const char *name;
	void (*write)(void);
} ways[] = {
	{"random", random_everywhere}, {"zeroes", zeroes}, {"ones", ones}, {"claims", claims_of_others},
	{"deadlock", a_deadlock}, {"operations", operations_out_of_range}, {"indexes", process_indexes},
	{"future", stamps_of_the_future}, {"backwards", entries_backwards}, {"names", names_without_end},
	{"generations", generations}, {"taken", everything_taken}, {"frames", frames_and_stacks}, {"header", the_header},
};
enum { WAYS = sizeof(ways) / sizeof(ways[0]) };

static int is_wanted(unsigned way, char **words)
{
	if (!*words)
		return 1;
	for (; *words; words++) {
		if (strcmp(*words, ways[way].name) == 0)
			return 1;
	}
	return 0;
}

/* Some stay for a while, so that each is seen by a sweep; most follow at once, so that sweeps see them change. */
static void scribble(unsigned long rounds, char **words)
{
	unsigned long stay = rounds > 100000 ? 500 : 50;

	for (unsigned long i = 0; i < rounds && header;) {
		unsigned way = (unsigned)(draw() % WAYS);

		if (!is_wanted(way, words))
			continue;
		ways[way].write();
		if (++i % stay == 0)
			poll(NULL, 0, (int)(draw() % 40));
	}
}

/* ---- the parent's work: what it comes to is the same every time */

enum { WORKERS = 6, TURNS = 300, FORKS = 4 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_key_t key;
static uint64_t sum; /* guarded by lock */
static unsigned arrived; /* guarded by lock */

static void ends(void *value)
{
	pthread_mutex_lock(&lock);
	sum += (uintptr_t)value;
	pthread_mutex_unlock(&lock);
}

static void through_a_pipe(uint64_t value)
{
	int ends_of_it[2];
	uint64_t back = 0;

	if (pipe(ends_of_it) < 0 || write(ends_of_it[1], &value, sizeof(value)) != sizeof(value))
		abort();
	if (poll(&(struct pollfd){.fd = ends_of_it[0], .events = POLLIN}, 1, 1000) != 1 ||
		read(ends_of_it[0], &back, sizeof(back)) != sizeof(back) || back != value)
		abort();
	close(ends_of_it[0]);
	close(ends_of_it[1]);
	errno = 0;
	if (read(-1, &back, 1) != -1 || errno != EBADF)
		abort();
}

static void *short_lived(void *number)
{
	pthread_mutex_lock(&lock);
	sum += (uintptr_t)number;
	pthread_mutex_unlock(&lock);
	return number;
}

static void *worker(void *number)
{
	pthread_setspecific(key, number);
	for (uintptr_t i = 0; i < TURNS; i++) {
		pthread_t other;
		void *back;

		through_a_pipe(i);
		if (pthread_create(&other, NULL, short_lived, (void *)i) != 0 || pthread_join(other, &back) != 0 || back != (void *)i)
			abort();
	}
	pthread_mutex_lock(&lock);
	arrived++;
	pthread_cond_broadcast(&changed);
	while (arrived < WORKERS)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
	return NULL;
}

static void fork_some(void)
{
	for (int i = 0; i < FORKS; i++) {
		int status;
		pid_t pid = fork();

		if (pid == 0) {
			through_a_pipe(7);
			_exit(40 + i);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 40 + i)
			abort();
	}
}

static void work_once(void)
{
	pthread_t threads[WORKERS];

	arrived = 0;
	for (uintptr_t i = 0; i < WORKERS; i++) {
		if (pthread_create(&threads[i], NULL, worker, (void *)(i + 1)) != 0)
			abort();
	}
	fork_some();
	for (int i = 0; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
}

static int work(unsigned long rounds)
{
	char *all[] = {NULL};
	int status;
	pid_t child = fork();

	if (child == 0) {
		if (setgroups(0, NULL) < 0 || setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
			_exit(9);
		scribble(rounds, all);
		_exit(0);
	}
	pthread_key_create(&key, ends);
	for (int i = 0; i < 20; i++)
		work_once();
	kill(child, SIGKILL);
	if (waitpid(child, &status, 0) != child || (WIFEXITED(status) && WEXITSTATUS(status) != 0))
		abort();
	printf("the work came to %llu\n", (unsigned long long)sum);
	return fflush(stdout);
}

int main(int count, char **words)
{
	int works = count > 3 && strcmp(words[1], "work") == 0;

	if (count < 3 + works)
		return 64;
	seed = strtoull(words[2 + works], NULL, 10) * 2 + 1;
	(void)find_segment();
	fprintf(stderr, "scribble: %s\n", header ? "has the segment" : "has no segment");
	if (works)
		return work(strtoul(words[2], NULL, 10));
	scribble(strtoul(words[1], NULL, 10), words + 3);
	printf("done %s\n", words[1]);
	fflush(stdout);
	for (;;)
		pause();
}
