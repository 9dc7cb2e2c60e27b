/* SPDX-License-Identifier: Apache-2.0 */
/* build: rooms */
/*
 * Publishes made-up snapshots and serves them: the HTTP side without a service, a shim or a sampler.
 * Prints one line "listen ADDRESS" for each argument (ADDR:PORT, [v6]:PORT, unix:PATH; port 0 = any), then
 * obeys lines on stdin and answers each with "ok": a scenario's name, "threads N", "beat SECONDS" (pretend
 * that the last tick was so long ago), "restart", "still" (publish no more by the clock). Arguments --details
 * and --log-requests as the agent's. NAME=SCENARIO, as an argument or a line, is a service of an agent with many
 * (NAME=gone ends it, --many: none at first); a scenario alone is then that of the whole, at first "nobody".
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "serve/serve.h"
#include "state/snapshot.h"

enum { TICK_MS = 100, LINE = 256, SERVICES = 2000 };

static struct child_listener listeners[CHILD_LISTENERS];
static struct serve_setup setup = {.listeners = listeners, .tick_ns = TICK_MS * NS_PER_MS, .service = "demo",
	.service_version = "1.2.3"};
static uint64_t counters[SERVE_COUNTERS];
static struct shown {
	char name[64];
	unsigned scenario;
	struct snapshot_seat *seat;
} services[SERVICES];
static unsigned service_count;
static int whole = -1; /* scenario of the whole; below zero: nothing is published */
static bool many, still;
static unsigned thread_count = 3;
static unsigned reloads; /* atomic: HTTP threads add */
static int64_t beat_age = -1; /* ns; below zero: beats as it should */
static int64_t started;

static void reason(struct snapshot_answer *answer, enum reason_code code, enum held_code held, const char *detail)
{
	struct snapshot_reason *added = &answer->reasons[answer->reason_count++];

	*added = (struct snapshot_reason){.code = code, .held = held, .since = clock_boot_ns() - 3 * NS_PER_SECOND};
	(void)snprintf(added->detail, sizeof added->detail, "%s", detail);
}

static void alive(struct snapshot *s)
{
	s->verdict = VERDICT_ALIVE;
	s->live.ok = s->ready.ok = s->startup.ok = true;
}

static void degraded(struct snapshot *s)
{
	alive(s);
	s->verdict = VERDICT_DEGRADED;
	reason(&s->live, REASON_LOOP_BLOCKED, HELD_NO, "thread 12 left its wait 2 s ago");
	s->live.reasons[0].minor = true;
}

static void dead(struct snapshot *s)
{
	alive(s);
	s->verdict = VERDICT_DEAD;
	s->live.ok = s->ready.ok = false;
	reason(&s->live, REASON_DEADLOCK, HELD_NO, "threads 11 and 12 wait for each other");
	reason(&s->ready, REASON_DEADLOCK, HELD_NO, "threads 11 and 12 wait for each other");
}

static void draining(struct snapshot *s)
{
	alive(s);
	s->ready.ok = false;
	reason(&s->live, REASON_LOOP_BLOCKED, HELD_DRAINING, "");
	reason(&s->ready, REASON_DRAINING, HELD_NO, "told to stop by signal 15 of \"pid 1\"\n");
}

static void two_reasons(struct snapshot *s)
{
	draining(s);
	reason(&s->ready, REASON_QUEUE_FULL, HELD_NO, "");
}

static void starting(struct snapshot *s)
{
	s->verdict = VERDICT_ALIVE;
	s->live.ok = true;
	reason(&s->ready, REASON_STARTING, HELD_NO, "");
	reason(&s->startup, REASON_STARTING, HELD_NO, "");
}

static void observed(struct snapshot *s)
{
	alive(s);
	s->observe = true;
	reason(&s->live, REASON_DEADLOCK, HELD_OBSERVE, "would be dead");
}

/* An agent that no service has joined. */
static void nobody(struct snapshot *s)
{
	s->live.ok = true;
	reason(&s->ready, REASON_STARTING, HELD_NO, "no service has joined");
	reason(&s->startup, REASON_STARTING, HELD_NO, "no service has joined");
}

static const struct {
	const char *name;
	void (*fill)(struct snapshot *snapshot);
} scenarios[] = {{"alive", alive}, {"degraded", degraded}, {"dead", dead}, {"draining", draining},
	{"two-reasons", two_reasons}, {"starting", starting}, {"observed", observed}, {"nobody", nobody}};

static void fill_thread(struct snapshot_thread *thread, unsigned i, int64_t now)
{
	static const struct wait_target targets[] = {
		{.kind = TARGET_NONE},
		{.kind = TARGET_LOCK, .object = 0x7f0012345678, .owner = 11, .futex = 0x7f0012345678},
		{.kind = TARGET_FD, .object = 7, .timed = true},
		{.kind = TARGET_CHILD, .object = 99},
		{.kind = TARGET_THREAD, .object = 12, .owner = 12},
		{.kind = TARGET_ADDRESS, .object = 0x7f00deadbeef, .timed = true},
	};

	*thread = (struct snapshot_thread){.tid = 10 + (int)i, .role = i % THREAD_ROLE_COUNT,
		.state = i % THREAD_STATE_COUNT, .op = i % 6 ? "pthread_mutex_lock" : NULL, .beats = 1000 * i,
		.since = now - 2 * NS_PER_SECOND, .home = i % 2, .waits_for = targets[i % 6]};
	(void)snprintf(thread->name, sizeof thread->name, i == 1 ? "bad\xff\"name\n" : "worker-%u", i);
}

static void fill_lists(struct snapshot *s, int64_t now)
{
	s->processes[0] = (struct snapshot_process){.pid = 10, .ns_pid = 1, .parent = 7, .exe = "demo-server",
		.role = PROCESS_MAIN, .coverage = COVERAGE_SHIM, .thread_count = s->thread_count};
	s->processes[1] = (struct snapshot_process){.pid = 20, .parent = 10, .exe = "static-helper",
		.role = PROCESS_CHILD, .coverage = COVERAGE_OUTSIDE, .coverage_why = "statically linked: rebuild it"};
	for (unsigned i = 0; i < s->thread_count; i++)
		fill_thread(&s->threads[i], i, now);
	s->listener_count = 3;
	s->listeners[0] = (struct snapshot_listener){"0.0.0.0:6379", 0, 511, 10};
	s->listeners[1] = (struct snapshot_listener){"0.0.0.0:80", 1, 128, 10};
	s->listeners[2] = (struct snapshot_listener){"0.0.0.0:80", 2, 128, 0};
	s->event_count = 1;
	s->events[0] = (struct snapshot_event){.wall_ns = 1767225600 * NS_PER_SECOND, .what = EVENT_READY,
		.from = "ready", .to = "not_ready", .reason = REASON_DRAINING};
}

static struct snapshot *make(const char *name, unsigned scenario, int64_t now)
{
	struct snapshot *s = snapshot_new(2, thread_count);

	if (!s)
		abort();
	s->sampled = now;
	s->wall = clock_wall_ns();
	s->tick_ns = setup.tick_ns;
	s->started = started;
	(void)snprintf(s->service, sizeof s->service, "%s", name);
	(void)snprintf(s->version, sizeof s->version, "%s", setup.service_version);
	scenarios[scenario].fill(s);
	s->workers = (struct worker_counts){.live = 5, .started = 9, .finished = 4, .peak = 6, .by_state = {1, 3, 0, 1}};
	s->beats_total = 20512;
	s->coverage_counts[COVERAGE_SHIM] = s->coverage_counts[COVERAGE_OUTSIDE] = 1;
	s->service_usage = (struct snapshot_service){.cpu_seconds = 1.5, .resident_bytes = 1 << 20, .open_fds = 12,
		.open_fds_known = true, .threads = 5};
	s->transitions[1] = 2;
	s->agent_pid = getpid();
	s->sweep_seconds = 0.00002;
	s->config_generation = __atomic_load_n(&reloads, __ATOMIC_RELAXED); /* a number on its own */
	fill_lists(s, now);
	return s;
}

static void publish(void)
{
	int64_t now = clock_boot_ns();

	for (unsigned i = 0; i < service_count; i++)
		snapshot_publish(services[i].seat, make(services[i].name, services[i].scenario, now));
	if (many)
		snapshot_publish_root(make(setup.service, (unsigned)whole, now));
	snapshot_settle();
	snapshot_beat(beat_age < 0 ? now : now - beat_age);
}

static int find_scenario(const char *name)
{
	for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++)
		if (strcmp(name, scenarios[i].name) == 0)
			return (int)i;
	return -1;
}

/* Comes, changes, or goes with a scenario below zero. */
static void set_service(const char *name, int scenario)
{
	unsigned i = 0;

	while (i < service_count && strcmp(services[i].name, name) != 0)
		i++;
	if (scenario < 0) {
		snapshot_seat_close(services[i].seat);
		memmove(&services[i], &services[i + 1], (--service_count - i) * sizeof services[0]);
		return;
	}
	if (i == service_count) {
		(void)snprintf(services[i].name, sizeof services[i].name, "%s", name);
		services[service_count++].seat = snapshot_seat_open(name);
	}
	services[i].scenario = (unsigned)scenario;
}

/* NAME=SCENARIO */
static void set_one_of_many(const char *words)
{
	const char *scenario = strchr(words, '=') + 1;
	char name[64];

	(void)snprintf(name, sizeof name, "%.*s", (int)(scenario - 1 - words), words);
	many = true;
	if (whole < 0)
		whole = find_scenario("nobody");
	set_service(name, find_scenario(scenario));
}

static void set_scenario(const char *name)
{
	int scenario = find_scenario(name);

	if (scenario < 0)
		return;
	whole = scenario;
	if (!many)
		set_service(setup.service, scenario);
}

static int open_unix(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	return bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 511) == 0 ? fd : -1;
}

static int open_tcp(const char *where, struct child_listener *listener)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	const char *colon = strrchr(where, ':');
	char host[64] = "";
	bool is_v6 = where[0] == '[';
	socklen_t length = is_v6 ? sizeof v6 : sizeof v4;
	struct sockaddr *address = is_v6 ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4;
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;

	(void)snprintf(host, sizeof host, "%.*s", (int)(colon - where) - 2 * is_v6, where + is_v6);
	v4.sin_port = v6.sin6_port = htons((uint16_t)atoi(colon + 1));
	if (inet_pton(address->sa_family, host, is_v6 ? (void *)&v6.sin6_addr : (void *)&v4.sin_addr) != 1)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, address, length) != 0 || listen(fd, 511) != 0 || getsockname(fd, address, &length) != 0)
		return -1;
	(void)snprintf(listener->address, sizeof listener->address, is_v6 ? "http://[%s]:%d" : "http://%s:%d", host,
		ntohs(is_v6 ? v6.sin6_port : v4.sin_port));
	return fd;
}

static void add_listener(const char *where)
{
	struct child_listener *listener = &listeners[setup.listener_count++];

	if (strncmp(where, "unix:", 5) == 0) {
		listener->kind = LISTENER_UNIX;
		listener->fd = open_unix(where + 5);
		(void)snprintf(listener->address, sizeof listener->address, "%s", where);
	} else {
		listener->fd = open_tcp(where, listener);
	}
	if (listener->fd < 0) {
		perror(where);
		exit(1);
	}
	printf("listen %s\n", listener->address);
}

static void count_reload(void)
{
	__atomic_fetch_add(&reloads, 1, __ATOMIC_RELAXED); /* a number on its own */
}

static void obey(const char *line)
{
	set_scenario(line);
	if (strchr(line, '='))
		set_one_of_many(line);
	if (strncmp(line, "threads ", 8) == 0)
		thread_count = (unsigned)atoi(line + 8);
	if (strncmp(line, "beat ", 5) == 0)
		beat_age = (int64_t)(atof(line + 5) * NS_PER_SECOND);
	if (strcmp(line, "still") == 0)
		still = true;
	if (strcmp(line, "restart") == 0) {
		serve_stop();
		if (serve_start(&setup) != 0)
			exit(1);
	}
	if (whole >= 0)
		publish();
	puts("ok");
}

static void take_argument(const char *word)
{
	if (strcmp(word, "--details") == 0)
		setup.details = true;
	else if (strcmp(word, "--log-requests") == 0)
		setup.log_requests = true;
	else if (strcmp(word, "--many") == 0)
		many = true, whole = find_scenario("nobody");
	else if (strchr(word, '='))
		set_one_of_many(word);
	else
		add_listener(word);
}

/* By the clock; with "still" only the sign of life. */
static void tick(void)
{
	if (whole < 0)
		return;
	if (still)
		snapshot_beat(clock_boot_ns());
	else
		publish();
}

int main(int argc, char **argv)
{
	char line[LINE];

	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	(void)setvbuf(stdin, NULL, _IONBF, 0); /* poll must see what fgets has not read */
	started = clock_boot_ns();
	setup.request_counters = counters;
	setup.on_reload = count_reload;
	(void)log_start(LOG_FORMAT_JSON, LOG_LEVEL_INFO, setup.service, NULL);
	for (int i = 1; i < argc; i++)
		take_argument(argv[i]);
	if (whole >= 0)
		publish();
	if (serve_start(&setup) != 0)
		return 1;
	puts("serving");
	for (;;) {
		struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};

		if (poll(&input, 1, TICK_MS) == 0) {
			tick();
			continue;
		}
		if (!fgets(line, sizeof line, stdin))
			break;
		line[strcspn(line, "\n")] = '\0';
		obey(line);
	}
	serve_stop();
	return 0;
}
