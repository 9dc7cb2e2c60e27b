/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a process still has the segment mapped. One that exec'ed a program without the shim (static, an
 * emptied environment) has not, and what it claimed before describes threads that are gone.
 * Threads: the supervisor. Failure: what cannot be read is unknown, and proves nothing.
 */
#ifndef LS_MAPPING_H
#define LS_MAPPING_H

#include <stdbool.h>
#include <sys/types.h>

enum mapping { MAPPING_UNKNOWN, MAPPING_THERE, MAPPING_GONE };

/* `inode` is the memfd's. */
enum mapping mapping_find(pid_t pid, ino_t inode);

/* Which segment a process has mapped, by its inode: MAPPING_THERE, or why not. */
enum mapping mapping_of(pid_t pid, ino_t *inode);

/* Exposed for the tests: the text of /proc/PID/maps, whole lines only. */
enum mapping mapping_find_in(const char *maps, ino_t inode);

enum { MAPPING_RANGE = 48 };

/* "START-END" of the nth mapping of a segment in that process, as /proc/PID/map_files names it; false: there is none. */
bool mapping_range(pid_t pid, unsigned nth, char range[MAPPING_RANGE]);

#endif
