/* SPDX-License-Identifier: Apache-2.0 */
/* What a completed answer means by the limits of its dependency: min, max, latencySeconds. Pure. */
#ifndef LS_MEASURE_H
#define LS_MEASURE_H

#include "base/dependency.h"
#include "base/probe_wire.h"

void measure(const struct dependency *of, struct probe_result *result);

#endif
