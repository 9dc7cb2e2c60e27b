/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who holds a file lock that a process waits for, from /proc/locks (proc(5)): a waiter stands with "->" behind
 * the lock that keeps it out, under the same number. Threads: any. Failure: 0, nobody known.
 */
#ifndef LS_FILE_LOCKS_H
#define LS_FILE_LOCKS_H

#include <stdint.h>
#include <sys/types.h>

enum file_lock_kind { FILE_LOCK_POSIX, FILE_LOCK_FLOCK };

/* `inode` of the file, 0: any. */
pid_t file_locks_owner(enum file_lock_kind kind, pid_t waiter, uint64_t inode);

/* Exposed for tests: from the text of /proc/locks. */
pid_t file_locks_owner_in(const char *text, enum file_lock_kind kind, pid_t waiter, uint64_t inode);

#endif
