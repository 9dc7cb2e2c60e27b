/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The health of each service as the sampler saw it at one moment: immutable once published, read by any
 * number of request handlers, freed a grace period after the next one took its place. Each service has a
 * seat under its name; seats come and go while handlers walk them.
 *
 * Threads: the sampler alone builds and publishes; handlers read between snapshot_hold and
 * snapshot_release. snapshot.c is the only file that knows RCU (liburcu, memb flavour).
 * Memory: one allocation for the struct and its arrays; `rendered` is filled lazily by serve.
 */
#ifndef LS_SNAPSHOT_H
#define LS_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/dependency.h"
#include "base/probe_plan.h"
#include "judge/record.h"

enum {
	SNAPSHOT_EVENTS = 64,
	SNAPSHOT_REASONS = 16,
	SNAPSHOT_LISTENERS = 64,
	SNAPSHOT_ADDRESS = 64,
	SNAPSHOT_DETAIL = 256,
	SNAPSHOT_EXE = 64,
	SNAPSHOT_RENDERED = 32,
	SNAPSHOT_LINKS = 16,
	SNAPSHOT_SYMBOL = 112,
	SNAPSHOT_WORDS = 1024,
	SNAPSHOT_STUCK = 64
};

/* One reason of live, ready or startup. Texts of the codes: judge/texts.c. */
struct snapshot_reason {
	enum reason_code code;
	enum held_code held;  /* HELD_NO when it counts */
	bool minor;           /* below the limit that fails its probe: shown, degrades, fails no check */
	int64_t since;        /* CLOCK_BOOTTIME ns */
	unsigned dependency;  /* index + 1 in dependencies[] of which it tells, 0 of none */
	char detail[SNAPSHOT_DETAIL]; /* free text for people; may be empty = null */
};

/* A thread of a chain, and what it waits for. */
struct snapshot_link {
	pid_t tid;
	char name[16];
	const char *op;  /* static; NULL: in none that the shim sees */
	const char *what; /* static: what kind of thing it waits for, in words */
	const char *held; /* static: " held by " and the like, before the owner's name */
	bool place;       /* `object` says more than the kind alone */
	uint64_t object; /* address of the lock, 0 = null */
	pid_t owner;     /* tid, or the pid of a process; 0 = null */
	char symbol[SNAPSHOT_SYMBOL]; /* "journal, app+0x20c0": where `object` is; empty = null */
};

/* What a deadlock or an orphaned lock is made of: the worst one there is. */
struct snapshot_chain {
	enum reason_code code; /* of the reasons that it explains; REASON_NONE: there is none */
	enum reason_code also; /* another one, or REASON_NONE */
	struct snapshot_link links[SNAPSHOT_LINKS];
	unsigned link_count;
	pid_t stuck[SNAPSHOT_STUCK]; /* members first, then who waits behind them */
	unsigned stuck_count;
	char words[SNAPSHOT_WORDS]; /* the same for people: the detail of those reasons */
};

struct snapshot_answer {
	bool ok;
	unsigned reason_count;
	struct snapshot_reason reasons[SNAPSHOT_REASONS];
};

struct snapshot_process {
	pid_t pid, ns_pid, parent; /* ns_pid: in its own pid namespace; 0 unknown */
	char exe[SNAPSHOT_EXE];    /* base name */
	enum process_role role;
	enum coverage coverage;
	char coverage_why[SNAPSHOT_DETAIL]; /* empty, or why the shim does not cover it and what to do */
	uint32_t first_thread, thread_count; /* slice of threads[] */
};

struct snapshot_thread {
	pid_t tid;
	char name[16];
	enum thread_role role;
	enum thread_state state;
	const char *op;  /* static: the libc function's name, or NULL when in none */
	int64_t since;   /* CLOCK_BOOTTIME ns: when the agent first saw it so */
	uint64_t beats;
	bool home;
	struct wait_target waits_for; /* kind TARGET_NONE = null */
	enum reason_code why; /* the reason that it is part of, REASON_NONE = null */
};

struct snapshot_listener {
	char address[SNAPSHOT_ADDRESS]; /* "0.0.0.0:6379", "[::]:80", "unix:/path" */
	uint32_t queue, backlog;
	pid_t pid; /* a process that holds it; 0 unknown */
};

struct snapshot_dependency {
	char name[DEPENDENCY_NAME];
	enum dependency_kind kind;
	enum dependency_class class;
	enum probe_status status;
	enum probe_error error; /* PROBE_OK = null */
	bool gates;             /* readyz fails because of it */
	bool has_value;
	double value;
	int64_t since, ended, good; /* CLOCK_BOOTTIME ns: of the status, the newest answer, the last success; 0 never */
	int64_t latency_ns;         /* < 0 unknown */
	uint32_t failures, successes;
	char root[PROBE_ROOT]; /* empty = null */
	char url[SNAPSHOT_DETAIL]; /* without its secrets, for people */
	char detail[PROBE_DETAIL], address[PROBE_ADDRESS]; /* of the newest answer, for people */
	struct probe_counts counts;
};

struct snapshot_event {
	int64_t wall_ns;
	enum event_what what;
	char from[16], to[16];
	unsigned reason;         /* of a dependency enum probe_error, else enum reason_code; 0 = null */
	char subject[64];        /* empty = null */
};

struct snapshot_service { /* of the processes of the service, for metrics */
	double cpu_seconds;       /* never falls */
	uint64_t resident_bytes;
	uint32_t open_fds;
	bool open_fds_known;
	uint32_t threads;
};

struct snapshot {
	/* identity */
	char service[64];
	char version[64]; /* empty = null */
	/* when */
	int64_t sampled;  /* CLOCK_BOOTTIME ns of the sample it was made of */
	int64_t wall;     /* CLOCK_REALTIME ns of the same moment */
	int64_t tick_ns;  /* liveness.sampleSeconds */
	int64_t started;  /* CLOCK_BOOTTIME ns: when `run` started (survives agents) */
	/* verdicts */
	enum verdict verdict;
	struct snapshot_answer live, ready, startup;
	bool observe;
	/* counts */
	struct worker_counts workers;
	uint64_t beats_total;
	uint64_t coverage_counts[COVERAGE_COUNT];
	struct snapshot_service service_usage;
	struct snapshot_chain chain;
	double lock_wait_seconds; /* longest present lock wait */
	uint64_t transitions[3];  /* live, ready, startup: changes so far; survive agents */
	/* the agent itself */
	pid_t agent_pid;
	unsigned agent_restarts;
	bool bare; /* came up without a segment after a crash loop */
	double sweep_seconds;
	uint64_t overruns;
	uint64_t threads_refused; /* found no slot */
	unsigned config_generation; /* counts reloads that were looked at; survives agents */
	char config_error[SNAPSHOT_DETAIL]; /* empty when the last reload was taken over */
	/* lists */
	unsigned process_count, thread_count, listener_count, event_count, dependency_count;
	bool degraded;                            /* a dependency is not as it should be */
	struct snapshot_dependency *dependencies; /* one allocation of its own, NULL: none */
	struct snapshot_process *processes; /* [0] is the main process */
	struct snapshot_thread *threads;
	struct snapshot_listener listeners[SNAPSHOT_LISTENERS];
	struct snapshot_event events[SNAPSHOT_EVENTS]; /* oldest first */
	/* lazily made by serve, one for each representation: atomic, first writer wins, freed with the snapshot */
	void *rendered[SNAPSHOT_RENDERED];
	struct snapshot *retired; /* snapshot.c's own */
};

/* Its code as people see it, or NULL. */
const char *snapshot_event_reason(const struct snapshot_event *event);

/* Owned by the sampler until published. Arrays are zeroed and hold the given number of rows. NULL: no memory. */
struct snapshot *snapshot_new(unsigned processes, unsigned threads);

/* ---- the sampler's side */

/* A service's place. Opaque; valid until snapshot_seat_close. */
struct snapshot_seat;

/* A new place under `name` (unique, 1 to 63 bytes), invisible until something is published there. NULL: no memory,
 * or the name is taken. Settles when the name was closed since the last snapshot_settle. */
struct snapshot_seat *snapshot_seat_open(const char *name);

/* The place and what was published there disappear for readers that come from now on. */
void snapshot_seat_close(struct snapshot_seat *seat);

/* Makes `next` the one that readers see; the one before is freed by the next snapshot_settle. */
void snapshot_publish(struct snapshot_seat *seat, struct snapshot *next);

/* What is shown as a whole when the number of seats is not one; the one before is freed by the next snapshot_settle. */
void snapshot_publish_root(struct snapshot *next);

/* Once a tick, after all publishing: one grace period for everything that was replaced (may block for it), if any. */
void snapshot_settle(void);

/* Called by snapshot_settle for each entry of rendered[] that is not NULL; set once before the first publish. */
void snapshot_on_free(void (*destroy)(void *rendered));

/*
 * The sampler's sign of life beside the snapshot: CLOCK_BOOTTIME ns of the last finished tick. A snapshot
 * that did not change stays published, so its age is counted from here. Atomic.
 */
void snapshot_beat(int64_t boot_ns);
int64_t snapshot_last_beat(void);

/*
 * Reader threads register before the first hold; more calls do nothing. A thread that ends is unregistered by
 * itself, the main thread aside, which ends with the process.
 */
void snapshot_reader_enter(void);
void snapshot_reader_leave(void);

/* ---- the handlers' side: between hold and release everything found stays valid; nothing in between may block. */
void snapshot_hold(void);
void snapshot_release(void);

/* The whole: the only service when there is one, else what snapshot_publish_root was given. NULL: nothing yet. */
struct snapshot *snapshot_root(void);

/* What snapshot_publish_root was given, however many services there are. NULL: nothing yet, and always with `run`. */
struct snapshot *snapshot_whole(void);

/* The service of that name, NULL when there is none. */
struct snapshot *snapshot_find(const char *name, size_t length);

/* All services in the order of their coming: snapshot_next(NULL) is the first; NULL at the end. */
struct snapshot_seat *snapshot_next(const struct snapshot_seat *seat);

/* What is published there: never NULL for a seat that snapshot_next gave. */
struct snapshot *snapshot_at(const struct snapshot_seat *seat);

#endif
