/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why the threads of any running process do not progress, from outside: no shim, no ptrace, nothing stopped. It
 * is looked at twice; what does not move in between and is closed in itself is proven, all else is said to be a
 * guess. Threads: main, one call at a time. Failure: -ESRCH no such process, -EPERM not readable
 * (CAP_SYS_PTRACE), -ENOMEM. Memory: explain_end frees.
 */
#ifndef LS_EXPLAIN_H
#define LS_EXPLAIN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "explain/blocking.h"
#include "watch/symbols.h"
#include "watch/evidence.h"
#include "watch/gates.h"
#include "watch/sock_diag.h"
#include "watch/tree.h"

enum {
	EXPLAIN_PROCESSES = 16,
	EXPLAIN_THREADS = 16384,
	EXPLAIN_LISTENERS = 32,
	EXPLAIN_WAITING = 256,
	EXPLAIN_TEXT = 224,
	EXPLAIN_BECAUSE = 64,
	EXPLAIN_LINE = 640,
	EXPLAIN_LOOK_MS = 500
};

enum { HOLDERS_PIDS = 8, HOLDERS_CACHED = 16 };

struct explain_holders {
	char link[48];
	enum blocking_way way;
	pid_t pids[HOLDERS_PIDS];
	unsigned count; /* also of those that found no place above */
	bool blind;     /* some process could not be looked into */
};

/* How sure it is that a thread waits for its `owner` (index) and nobody else can help. */
enum explain_edge {
	EDGE_NONE,
	EDGE_GUESS, /* pipes, sockets: somebody else may be on the other end */
	EDGE_EXACT  /* mutex, rwlock writer, join, file lock, child */
};

struct explain_wait {
	bool limited; /* ends by itself */
	bool orphan;  /* for a lock whose owner has ended without unlocking it */
	enum explain_edge edge;
	uint64_t address; /* of the lock, 0 none */
	pid_t owner;      /* thread or process it waits for, as we number them; 0 nobody in particular */
	bool owner_is_process;
	const char *owner_word;    /* goes before the owner's name: "held by "; NULL: the object's text names it
				      already */
	char object[EXPLAIN_TEXT]; /* "mutex 0x55… (journal, app+0x20c0)" */
};

struct explain_thread {
	pid_t pid, tid, ns_tid;
	char name[16];
	struct evidence first, now;
	bool gone;  /* ended between the two looks */
	bool still; /* stands in the same call for the same thing and did not run */
	bool same;  /* the same call for the same thing; it may have run (a signal's handler) */
	double cpu_percent;
	double ready_percent;             /* had a CPU, or waited for one */
	double rest_seconds;              /* since it last ran, about; below zero: not known */
	const struct blocking_call *call; /* NULL: in none that can block */
	struct explain_wait wait;
	int waits_for; /* index of the thread, -1 */
	bool in_cycle;
};

struct explain_process {
	struct process_row row;
	unsigned first_thread, thread_count;
	bool narrow; /* 32-bit: its calls and locks are not understood */
	struct gates gates;
};

struct explain_listener {
	struct diag_listener first, now;
};

struct explain_inbound {
	unsigned connections, waiting; /* of them with bytes that nobody read in both looks */
	uint64_t bytes;
};

struct explain {
	pid_t pid, asked; /* asked: the thread or process that was meant */
	struct explain_process
		processes[EXPLAIN_PROCESSES]; /* [0] is the one asked for, others are where waits lead */
	unsigned process_count;
	struct explain_thread *threads;
	unsigned thread_count;
	bool threads_cut;
	struct explain_listener listeners[EXPLAIN_LISTENERS];
	unsigned listener_count;
	struct explain_inbound inbound;
	uint64_t waiting[EXPLAIN_WAITING]; /* sockets that had unread bytes in the first look */
	unsigned waiting_count;
	double looked_seconds; /* between the looks */
	struct symbols symbols;
	struct explain_holders holders[HOLDERS_CACHED];
	unsigned holders_next;
};

int explain_look(struct explain *out, pid_t pid);
void explain_end(struct explain *explain);

/* "worker-3 (4713)" */
void explain_who(const struct explain *explain, const struct explain_thread *thread, char *out, size_t bytes);

/* "waits for mutex 0x… (journal, app+0x20c0) held by worker-4 (4714)"; what it does where it waits for nothing.
 */
void explain_sentence(
	const struct explain *explain, const struct explain_thread *thread, char *out, size_t bytes);

/* Why its service is not ready, from the dependency to the first cause: one line each, as an agent told. */
struct explain_because {
	unsigned count;
	struct {
		unsigned depth;
		char text[EXPLAIN_LINE];
	} lines[EXPLAIN_BECAUSE];
};

/* The whole page, at most 80 columns; the last line is the verdict. */
void explain_print(const struct explain *explain, struct buf *out);

/* With what an agent said; `explain` is all zero when only that is known. */
void explain_print_json(const struct explain *explain, const struct explain_because *because, struct buf *out);

/* ---- between the files of this room */

/* What the thread waits for, into its `wait`. A process it leads to is added to the explanation. */
void explain_futex(
	struct explain *explain, const struct explain_process *process, struct explain_thread *thread);
void explain_object(
	struct explain *explain, const struct explain_process *process, struct explain_thread *thread);

/* The same, with -errno for the one that was asked for. */
int explain_meet(struct explain *explain, pid_t pid);

/* Adds a process with its threads and their first evidence; NULL: gone, or no room. */
struct explain_process *explain_add(struct explain *explain, pid_t pid);
struct explain_process *explain_process_of(struct explain *explain, pid_t pid);

/* The process that a thread belongs to; 0: there is none. */
pid_t explain_pid_of(pid_t tid);

/* The thread by its tid as the process itself numbers it. */
struct explain_thread *explain_thread_by(
	struct explain *explain, const struct explain_process *process, pid_t ns_tid);

/* Finds owners and cycles among the threads. */
void explain_join(struct explain *explain);

void explain_look_sockets(struct explain *explain, bool first);

/* What a descriptor is, and who is at its other end where that is known. */
struct explain_end_of {
	pid_t peer;   /* the only process that holds the other end; 0: none, several, not known */
	char text[EXPLAIN_TEXT];
};
void explain_descriptor(struct explain *explain, const struct explain_process *process, int fd,
	enum blocking_way way, struct explain_end_of *out);

/* All processes that have `link` ("pipe:[7]") open; for pipes those that may read from it, or write to it. */
const struct explain_holders *explain_holders_of(
	struct explain *explain, const char *link, enum blocking_way way);

/* One sentence; returns its kind as a word for machines: "deadlock", "nothing". */
const char *explain_verdict(const struct explain *explain, char *out, size_t bytes);

/* How many threads wait, directly or not, for one that is in a cycle or for a lock whose owner has ended. */
unsigned explain_behind(const struct explain *explain);

/* The thread at the end of those that this one waits for; itself when it waits for none, -1 in a cycle. */
int explain_root(const struct explain *explain, int index);

/* Is every wait of the cycle through this thread exact? */
bool explain_is_proven(const struct explain *explain, const struct explain_thread *thread);

#endif
