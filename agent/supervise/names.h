/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Abstract socket names that nobody can guess: "lifesign-KIND-PID-RANDOM".
 * Threads: any. Failure: -errno. Memory: the caller's.
 */
#ifndef LS_NAMES_H
#define LS_NAMES_H

#include <sys/types.h>

enum { NAME_BYTES = 100 }; /* of 107 that a socket's name may have */

/*
 * A bound abstract socket of `type`, close-on-exec and non-blocking; `name` as in "@lifesign-…", with `tail`
 * at its end.
 */
int names_bind_abstract(int type, const char *kind, const char *tail, char name[NAME_BYTES]);

/* Sends one descriptor with `bytes` of `data`, without waiting. 0 or -errno. */
int names_send_fd(int socket, const void *data, size_t bytes, int fd);

#endif
