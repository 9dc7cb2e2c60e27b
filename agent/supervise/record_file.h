/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of `--record`, opened before anything starts so that what is wrong with it is said at once; every
 * agent appends to it.
 * Threads: the supervisor. Failure: a `struct failure`.
 */
#ifndef LS_RECORD_FILE_H
#define LS_RECORD_FILE_H

#include "supervise/failure.h"

/* Empties it. With no path there is nothing to open, and *fd stays. 0 or the exit status. */
int record_file_open(const char *path, int *fd, struct failure *why);

#endif
