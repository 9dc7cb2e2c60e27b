/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads the kinds of dependencies: modules that lie in ../lib/lifesign beside the program's directory.
 * Threads: any. Failure: NULL and a reason. Memory: a module stays loaded until the process ends: libraries that
 * start threads cannot be unloaded.
 */
#ifndef LS_KINDS_H
#define LS_KINDS_H

#include "probe/kind.h"

/* `modules` NULL: found from where the program is. */
const struct probe_kind *kinds_load(enum dependency_kind kind, const char *modules, char *why, size_t why_bytes);

#endif
