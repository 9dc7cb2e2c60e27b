/* SPDX-License-Identifier: Apache-2.0 */
/* The functions that lifesign.h declares weak; here they are. */
#ifndef LS_SHIM_API_H
#define LS_SHIM_API_H

#define SHIM_API __attribute__((visibility("default")))

SHIM_API void lifesign_shim_beat(void);
SHIM_API void lifesign_shim_work_begin(const char *what);
SHIM_API void lifesign_shim_work_end(void);
SHIM_API void lifesign_shim_queue_depth(long depth);

#endif
