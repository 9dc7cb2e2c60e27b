/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds liblifesign.so and checks it before anything starts: a preload object that cannot be loaded makes
 * the loader complain in every process of the service.
 * Threads: the supervisor, before the loop. Failure: the exit status and what to do.
 */
#ifndef LS_SHIM_FILE_H
#define LS_SHIM_FILE_H

#include <limits.h>

#include "supervise/failure.h"

/* `asked` is --shim, or "" = beside the program, else in ../lib. 0 with an absolute path, else the status. */
int shim_file_find(const char *asked, char path[PATH_MAX], struct failure *why);

#endif
