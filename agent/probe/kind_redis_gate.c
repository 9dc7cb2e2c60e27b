/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/kind_redis_gate.h"

/* The line is complete: false when it announces too much. */
static bool end_line(struct redis_gate *gate)
{
	if (gate->type == '*' && gate->number > REDIS_ELEMENTS)
		return false;
	if (gate->type == '$' && gate->number > REDIS_BYTES)
		return false;
	if (gate->type == '$' && !gate->negative)
		gate->skip = gate->number + 2;
	gate->in_line = false;
	gate->negative = false;
	gate->number = 0;
	return true;
}

bool redis_gate_pass(struct redis_gate *gate, const char *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char c = bytes[i];

		if (gate->skip) {
			size_t jump = count - i < gate->skip ? count - i : (size_t)gate->skip;

			gate->skip -= jump;
			i += jump - 1;
			gate->last = 0;
			continue;
		}
		if (!gate->in_line) {
			gate->in_line = true;
			gate->type = c;
		} else if (c == '\n' && gate->last == '\r' && !end_line(gate))
			return false;
		else if (c == '-')
			gate->negative = true;
		else if (c >= '0' && c <= '9' && gate->number < UINT32_MAX)
			gate->number = gate->number * 10 + (uint64_t)(c - '0');
		gate->last = c;
	}
	return true;
}
