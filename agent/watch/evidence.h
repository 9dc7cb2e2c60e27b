/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel says of one thread at one moment: the witness without which nothing is ever dead. Costs two
 * to four small files of /proc, so it is read for suspects only.
 * Threads: the sampler. Failure: what cannot be read is unknown (0, -1), never guessed.
 * Sources: proc(5): task/TID/stat, schedstat, status, syscall (the last needs PTRACE_MODE_ATTACH: reach.h).
 */
#ifndef LS_EVIDENCE_H
#define LS_EVIDENCE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "watch/tree.h"

enum { EVIDENCE_ARGUMENTS = 6, SYSCALL_UNKNOWN = -2, SYSCALL_NONE = -1 };

struct evidence {
	char state;        /* R S D T t Z X I; 0 = the thread is gone or cannot be read */
	uint64_t cpu_ns;   /* CPU time it had */
	uint64_t delay_ns; /* time it was ready to run and had no CPU */
	uint64_t switches; /* voluntary and not */
	long syscall;      /* its number; SYSCALL_NONE outside of calls or running; SYSCALL_UNKNOWN */
	uint64_t arguments[EVIDENCE_ARGUMENTS];
	uint64_t stack; /* its stack pointer there, 0 unknown */
};

/* False when the thread is gone. */
bool evidence_read(const struct process_row *row, pid_t tid, struct evidence *out);

/* Only what it is inside of: `syscall` and `arguments`. False when that cannot be read. */
bool evidence_read_syscall(const struct process_row *row, pid_t tid, struct evidence *out);

/* How often it was taken off a CPU so far; 0 when that cannot be read. */
uint64_t evidence_switches(pid_t pid, pid_t tid);

/* The futex address in which the kernel has it sleep, 0 when it sleeps in no futex. */
uint64_t evidence_futex(const struct evidence *evidence);

/* Exposed for the fuzzer: one line of /proc/PID/task/TID/syscall, ended with NUL. */
void evidence_parse_syscall(const char *line, struct evidence *out);

#endif
