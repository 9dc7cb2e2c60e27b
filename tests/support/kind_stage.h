/* SPDX-License-Identifier: Apache-2.0 */
/* What the module kind_stage.c calls, and the test that loads it has. */
#ifndef LS_TESTS_KIND_STAGE_H
#define LS_TESTS_KIND_STAGE_H

#include "probe/kind.h"

int stage_open(const struct dependency *of, void **state, char *why, size_t why_bytes);
void stage_ask(void *state, struct attempt *attempt);
void stage_close(void *state);

#endif
