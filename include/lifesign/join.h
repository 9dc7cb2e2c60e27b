/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process says of itself when it joins by LIFESIGN_DIR: the first and only message on DIR/join, answered
 * with a segment_grant (segment.h). All of it is a claim: the receiver believes SO_PEERCRED, and checks the rest.
 */
#ifndef LIFESIGN_JOIN_H
#define LIFESIGN_JOIN_H

#include <stdint.h>

#define JOIN_MAGIC UINT64_C(0x31304e494f4a534c) /* "LSJOIN01" in memory order */

enum { JOIN_TEXT = 64 };

struct join_hello {
	uint64_t magic;
	uint32_t pid, parent; /* as the process sees them: another pid namespace has other numbers */
	uint64_t pid_namespace; /* which one, by the inode of /proc/self/ns/pid; 0 without /proc */
	char service[JOIN_TEXT]; /* LIFESIGN_SERVICE, cut; empty without it. NUL-terminated, as the next */
	char program[JOIN_TEXT]; /* base name under which it was started, cut */
};
_Static_assert(sizeof(struct join_hello) == 152, "join_hello has another size");

#endif
