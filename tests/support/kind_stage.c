/* SPDX-License-Identifier: Apache-2.0 */
/* build: module=exec */
/* A kind of dependency, loaded as any other; what it does stands in the unit test that loads it: unit/probe_stage.h. */
#include "support/kind_stage.h"

const struct probe_kind probe_kind = {.name = "exec", .open = stage_open, .ask = stage_ask, .close = stage_close};
