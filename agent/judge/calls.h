/* SPDX-License-Identifier: Apache-2.0 */
/* Names and classes of the operations that a slot's `call` word can hold; the table is lifesign/calls.h. */
#ifndef LS_JUDGE_CALLS_H
#define LS_JUDGE_CALLS_H

#include <stdint.h>

#include <lifesign/calls.h>

struct call_info {
	const char *name; /* the libc function's name, NULL for a number that this build does not know */
	enum call_class class;
	enum call_object kind;
};

/* Never NULL: a number from the segment may be anything. */
const struct call_info *call_info(uint32_t op);

#endif
