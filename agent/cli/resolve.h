/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of hosts in --url. Looking one up may hang as long as the system's resolver likes, so it is done by a
 * thread that is left behind when it takes too long.
 * Threads: main. Failure: -EINVAL no HOST:PORT, else -errno and a reason. Memory: what hangs keeps its own.
 */
#ifndef LS_RESOLVE_H
#define LS_RESOLVE_H

#include <stddef.h>

#include "base/address.h"

int resolve_host(const char *host_and_port, struct address *out, char *why, size_t why_bytes);

#endif
