/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks at the memory around a futex in another process and tells what it is: the part of watch/futexes.h that
 * reads. Threads: any, as reach.h. Failure: FUTEX_UNKNOWN.
 */
#ifndef LS_FUTEX_SIGHT_H
#define LS_FUTEX_SIGHT_H

#include "watch/futexes.h"
#include "watch/reach.h"

/*
 * `arguments` are those of futex(2); of `sight` the caller knows `threads`, `is_musl` and `value_is_thread`.
 * Who has a stream is found by the thread block that it points to. Owners are as the process numbers its
 * threads.
 */
void futex_sight_tell(const struct reach_target *target, const uint64_t arguments[6], struct futex_sight *sight,
	struct futex_facts *out);

#endif
