/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DIR, where the sockets of services lie: made with its parents, and trusted only if nobody else could
 * have put something there.
 * Threads: the supervisor, before the loop. Failure: -errno; -EPERM: it belongs to, or is open to, others.
 */
#ifndef LS_DIRECTORY_H
#define LS_DIRECTORY_H

#include <sys/types.h>

/* Opens it (O_PATH), made if need be. The descriptor or -errno. */
int directory_open(const char *path);

#endif
