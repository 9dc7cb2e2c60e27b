/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The call table as the agent sees it: indexed by number.
 * Threads: any; immutable. Failure: none, an unknown number is CLASS_NONE without a name.
 */
#include "judge/calls.h"

#include <stddef.h>

#define CALL_INFO(number, symbol, class_, kind_, ...) [number] = {#symbol, class_, kind_},
#define CALL_INFO_BY_HAND(number, symbol, class_, kind_) [number] = {#symbol, class_, kind_},

/* clang-format off */
static const struct call_info calls[] = {
	LS_CALLS(CALL_INFO)
	LS_CALLS_BY_HAND(CALL_INFO_BY_HAND)
	LS_API_CALLS(CALL_INFO_BY_HAND)
};
/* clang-format on */

const struct call_info *call_info(uint32_t op)
{
	return &calls[op < sizeof(calls) / sizeof(calls[0]) ? op : 0];
}
