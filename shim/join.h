/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hand-over: asks the supervisor's socket for the segment and maps it.
 * Threads: the constructor's. Failure: false, and nothing is left behind: no descriptor, no mapping.
 */
#ifndef LS_SHIM_JOIN_H
#define LS_SHIM_JOIN_H

#include <stdbool.h>
#include <stdint.h>

#include "state.h"

/* `name` is LIFESIGN_SEGMENT: '@' and the abstract name; a name that ends in "+N" says that N seccomp
 * filters are everybody's here (a container's), more than these are the service's own. *pid: this
 * process's as the supervisor sees it. */
bool join_segment(const char *name, struct shim_segment *segment, uint32_t *pid);

/* `directory` is LIFESIGN_DIR, absolute: asks the socket in it that an agent for many services listens on, and
 * says who asks: `service` is LIFESIGN_SERVICE, `program` the name it was started by; NULL without. Under more
 * seccomp filters than pid 1 of the pid namespace has, it tries nothing. */
bool join_directory(const char *directory, const char *service, const char *program, struct shim_segment *segment, uint32_t *pid);

/* Checks a mapped segment of so many bytes and fills the places in it. */
bool join_check(void *base, uint64_t bytes, struct shim_segment *segment);

#endif
