/* SPDX-License-Identifier: Apache-2.0 */
/* Names and classes of the operations that a slot's `call` word can hold; the table is lifesign/calls.h. */
#ifndef LS_JUDGE_CALLS_H
#define LS_JUDGE_CALLS_H

#include <stdint.h>

#include <lifesign/calls.h>

/* CALL_pthread_once and so on: the numbers by name. */
#define NUMBER_OF_CALL(number, symbol, ...) CALL_##symbol = number,
enum call_number { LS_CALLS(NUMBER_OF_CALL) LS_CALLS_BY_HAND(NUMBER_OF_CALL) CALL_NUMBERS_END };
#undef NUMBER_OF_CALL

struct call_info {
	const char *name; /* the libc function's name, NULL for a number that this build does not know */
	enum call_class class;
	enum call_object kind;
};

/* Never NULL: a number from the segment may be anything. */
const struct call_info *call_info(uint32_t op);

#endif
