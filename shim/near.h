/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The short way to the segment: a process that may look into its supervisor opens the memory there, which
 * costs a tenth of waking it up, and does not depend on how soon it gets a CPU.
 * Threads: the constructor's. Failure: negative, and the long way (join.c) is tried.
 */
#ifndef LS_SHIM_NEAR_H
#define LS_SHIM_NEAR_H

#include <stdint.h>

/* What LIFESIGN_SEGMENT says behind its '+': "+FILTERS.FD.CREATED", the last in hexadecimal. */
struct near_place {
	long filters;     /* seccomp filters that are everybody's here */
	long supervisor;  /* pid, -1: the name has none */
	long fd;          /* of the supervisor, -1: the name has none */
	uint64_t created; /* as in the header: another segment has another one */
};

void near_parse(const char *name, struct near_place *out);

/* A descriptor of the memory that the name means, or negative. Opens nothing but a memfd of that name. */
long near_open(const struct near_place *place);

/* The inode of this process's pid namespace, 0 when it cannot be known. */
uint64_t near_namespace(void);

#endif
