/* SPDX-License-Identifier: Apache-2.0 */
#include "supervise/prober.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "supervise/signals.h"
#include "watch/procfs.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

enum { PROBER_SOCKET = 3, PROBER_BEAT = 4, PROBER_FDS = 5, KILL_MS = 200, MOST_FDS = 65536, ENOUGH_FDS = 1024, PROBER_STUCK = 75 };

/* One that lives shorter than this has crashed; the next one waits twice as long. */
#define QUICK_NS (10 * NS_PER_SECOND)
#define QUICK_KILL_NS NS_PER_SECOND /* killed from outside: that says little about it */
#define FIRST_WAIT_NS (250 * NS_PER_MS)
#define LAST_WAIT_NS (30 * NS_PER_SECOND)
enum { DOUBLINGS = 7 };

/* A sealed memfd of `bytes`, mapped read-only into *map. The descriptor, or -errno. */
static int make_page(const char *name, size_t bytes, const void **map)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL), error;
	void *page = MAP_FAILED;

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING); /* Linux before 6.3 */
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)bytes) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		page = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (page != MAP_FAILED) {
		*map = page;
		return fd;
	}
	error = errno;
	close(fd);
	return -error;
}

int prober_open(struct prober *out, const struct settings *settings, struct kin_helpers *helpers)
{
	int pair[2];

	*out = (struct prober){.settings = settings, .helpers = helpers, .agent_end = -1, .prober_end = -1, .beat_fd = -1, .board_fd = -1};
	out->beat_fd = make_page("lifesign-prober", sizeof(struct probe_beat), (const void **)&out->beat);
	if (out->beat_fd >= 0)
		out->board_fd = make_page("lifesign-board", sizeof(struct probe_board), (const void **)&out->board);
	if (out->board_fd < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
		int error = out->beat_fd < 0 ? -out->beat_fd : out->board_fd < 0 ? -out->board_fd : errno;

		prober_close(out);
		return -error;
	}
	out->agent_end = pair[0];
	out->prober_end = pair[1];
	return 0;
}

void prober_leave(struct prober *prober)
{
	if (prober->prober_end >= 0)
		close(prober->prober_end);
	if (prober->beat_fd >= 0)
		close(prober->beat_fd);
	prober->prober_end = prober->beat_fd = -1;
}

/* ---- the prober's start ---- */

bool prober_find(char *out, size_t bytes)
{
	char self[PATH_MAX];
	char *slash;

	if (!realpath("/proc/self/exe", self) || !(slash = strrchr(self, '/')))
		return false;
	*slash = '\0';
	/* the self-contained tarball: we are its loader, in lib/lifesign; what it can start lies in bin */
	if (!strncmp(slash + 1, "ld-linux", 8) && (slash = strrchr(self, '/')))
		return snprintf(out, bytes, "%.*s/../bin/lifesign-prober", (int)(slash - self), self) < (int)bytes;
	return snprintf(out, bytes, "%s/lifesign-prober", self) < (int)bytes;
}

/* What is meant for the service is not for the prober. */
static bool is_ours(const char *variable)
{
	static const char *const others[] = {"LD_PRELOAD=", "LD_AUDIT=", "LIFESIGN_SEGMENT=", "LIFESIGN_DIR=", "NOTIFY_SOCKET=", "LISTEN_FDS=", "LISTEN_PID="};

	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (!strncmp(variable, others[i], strlen(others[i])))
			return false;
	return true;
}

enum { VARIABLES = 4096 };
static char *variables[VARIABLES + 1]; /* of the prober; owner: the only thread */

static void choose_variables(void)
{
	unsigned count = 0;

	for (char **at = environ; *at && count < VARIABLES; at++)
		if (is_ours(*at))
			variables[count++] = *at;
	variables[count] = NULL;
}

static void close_from(int first)
{
#ifdef SYS_close_range
	if (syscall(SYS_close_range, (unsigned)first, ~0U, 0U) == 0)
		return;
#endif
	for (int fd = first; fd < MOST_FDS; fd++)
		close(fd);
}

/* `ulimit -S -n` is meant for COMMAND; each dependency needs a descriptor or two. */
static void lift_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= ENOUGH_FDS)
		return;
	limit.rlim_cur = limit.rlim_max < ENOUGH_FDS ? limit.rlim_max : ENOUGH_FDS;
	(void)setrlimit(RLIMIT_NOFILE, &limit); /* else what there is must do */
}

/* Between fork and exec. */
static void become_prober(const struct prober *prober, const char *program, pid_t supervisor)
{
	static const char *const formats[] = {[LOG_FORMAT_TEXT] = "text", [LOG_FORMAT_JSON] = "json"};
	const char *words[] = {"lifesign-prober", "--serve", prober->settings->service, "--log-format", formats[prober->settings->log_format],
		"--log-level", log_levels[prober->settings->log_level], prober->settings->log_file[0] ? "--log-file" : NULL, prober->settings->log_file, NULL};
	int socket, beat;

	lift_descriptor_limit();
	socket = fcntl(prober->prober_end, F_DUPFD, PROBER_FDS);
	beat = fcntl(prober->beat_fd, F_DUPFD, PROBER_FDS);
	(void)setpgid(0, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (getppid() != supervisor || dup2(socket, PROBER_SOCKET) < 0 || dup2(beat, PROBER_BEAT) < 0)
		_exit(127);
	close_from(PROBER_FDS);
	signals_reset_for_agent();
	(void)execve(program, (char *const *)words, variables); /* changes none of them, its type is older than const */
	_exit(127);
}

static void wait_longer(struct prober *prober, int64_t now)
{
	unsigned doublings = prober->quick < DOUBLINGS ? prober->quick : DOUBLINGS;
	int64_t wait = prober->quick ? FIRST_WAIT_NS << (doublings - 1) : 0;

	prober->next_start = now + (wait < LAST_WAIT_NS ? wait : LAST_WAIT_NS);
}

static void say_no_start(struct prober *prober, const char *why)
{
	if (!prober->said_no_start)
		log_event(LOG_LEVEL_ERROR, "prober", "no prober can be started (%s): dependencies stay unknown", why);
	prober->said_no_start = true;
	prober->quick++;
	wait_longer(prober, clock_mono_ns());
}

static void start(struct prober *prober)
{
	char program[PATH_MAX];
	pid_t self = getpid(), pid;

	if (!prober_find(program, sizeof(program)) || access(program, X_OK) < 0) {
		say_no_start(prober, "lifesign-prober does not lie beside lifesign");
		return;
	}
	choose_variables();
	pid = fork();
	if (pid == 0)
		become_prober(prober, program, self);
	if (pid < 0) {
		say_no_start(prober, strerror(errno));
		return;
	}
	(void)setpgid(pid, pid); /* whoever is first */
	kin_add_helper(prober->helpers, pid);
	prober->pid = pid;
	prober->ordered_to_die = false;
	prober->patience = (struct patience){0};
	prober->started = clock_mono_ns();
}

/* ---- its life ---- */

static int64_t run_delay_of(pid_t pid)
{
	char path[64], text[128], *end;
	long long delay;

	(void)snprintf(path, sizeof(path), "/proc/%d/schedstat", pid);
	if (proc_read(path, text, sizeof(text)) <= 0)
		return -1;
	(void)strtoull(text, &end, 10);
	delay = strtoll(end, NULL, 10);
	return delay < 0 ? -1 : delay;
}

static void end(struct prober *prober, const char *why)
{
	if (why)
		log_event(LOG_LEVEL_WARN, "prober", "prober %d %s", prober->pid, why);
	prober->ordered_to_die = true;
	(void)kill(-prober->pid, SIGKILL);
}

static void look(struct prober *prober, int64_t late)
{
	int64_t mono = clock_mono_ns();
	struct patience_look seen = {.mono = mono, .late = late, .suspended = clock_boot_ns() - mono};

	seen.beat = __atomic_load_n(&prober->beat->beat, __ATOMIC_RELAXED); /* any change will do */
	seen.run_delay = run_delay_of(prober->pid);
	if (patience_look(&prober->patience, &seen))
		end(prober, "does not beat: it is replaced");
}

bool prober_tick(struct prober *prober, int64_t late)
{
	pid_t before = prober->pid;
	bool wanted = prober->board && __atomic_load_n(&prober->board->wanted, __ATOMIC_RELAXED); /* a number on its own */

	if (prober->pid && !prober->ordered_to_die) {
		if (wanted)
			look(prober, late);
		else
			end(prober, NULL);
	} else if (!prober->pid && wanted && clock_mono_ns() >= prober->next_start) {
		start(prober);
	}
	return prober->pid != before;
}

void prober_zombie(const struct prober *prober, pid_t pid)
{
	if (pid == prober->pid)
		(void)kill(-pid, SIGKILL); /* ESRCH: it had started nobody */
}

static void say_how_it_ended(const struct prober *prober, int status)
{
	if (prober->ordered_to_die)
		return; /* was said */
	if (WIFSIGNALED(status))
		log_event(LOG_LEVEL_WARN, "prober", "prober %d was ended by signal %d (%s); another follows", prober->pid,
			WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		log_event(LOG_LEVEL_WARN, "prober", "prober %d ended with status %d; another follows", prober->pid, WEXITSTATUS(status));
}

bool prober_reaped(struct prober *prober, pid_t pid, int status, bool ending)
{
	int64_t now = clock_mono_ns();
	bool killed;

	if (!pid || pid != prober->pid)
		return false;
	if (!ending)
		say_how_it_ended(prober, status);
	killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && !prober->ordered_to_die;
	prober->quick = now - prober->started < (killed ? QUICK_KILL_NS : QUICK_NS) ? prober->quick + 1 : 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == PROBER_STUCK) { /* it has told why, and lived as long as it may */
		prober->quick = 0;
		prober->next_start = now + FIRST_WAIT_NS;
	} else if (prober->quick <= 1)
		prober->next_start = now; /* once is no crash loop */
	else
		wait_longer(prober, now);
	prober->pid = 0;
	return true;
}

void prober_close(struct prober *prober)
{
	const int fds[] = {prober->agent_end, prober->prober_end, prober->beat_fd, prober->board_fd};

	if (!prober->settings)
		return; /* was never opened */
	if (prober->pid > 0) {
		(void)kill(-prober->pid, SIGKILL);
		for (int ms = 0; ms < KILL_MS && waitpid(prober->pid, NULL, WNOHANG) == 0; ms++)
			(void)usleep(1000);
		prober->pid = 0;
	}
	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	if (prober->beat)
		(void)munmap((void *)(uintptr_t)prober->beat, sizeof(*prober->beat));
	if (prober->board)
		(void)munmap((void *)(uintptr_t)prober->board, sizeof(*prober->board));
	prober->agent_end = prober->prober_end = prober->beat_fd = prober->board_fd = -1;
	prober->beat = NULL;
	prober->board = NULL;
}
