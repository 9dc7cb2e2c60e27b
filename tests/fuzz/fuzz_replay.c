/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A recording is a file that anybody may hand on: whatever stands in it, reading and judging it again ends
 * well. The input is records without their check, so that the fuzzer gets behind it: a kind, two bytes of
 * length, a body.
 */
#include "support/replay.h"

enum { LOOKS = 24, PROCESSES = 6 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What every recording of this build begins with. */
static void begin(struct replay *replay)
{
	const struct recording_begin said = {.name = "fuzz"};
	unsigned char body[4096];

	replay_begin(replay, body, recording_write_begin(&said, body, sizeof(body)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct replay replay;

	replay = (struct replay){.max_looks = LOOKS, .max_processes = PROCESSES};
	replay_feed(&replay, data, size);
	begin(&replay);
	for (size_t at = 0; at + 3 <= size;) {
		size_t bytes = data[at + 1] | (size_t)data[at + 2] << 8;

		bytes = bytes < size - at - 3 ? bytes : size - at - 3;
		if (data[at] == RECORD_BEGIN)
			replay_begin(&replay, data + at + 3, bytes);
		else
			replay_tick(&replay, data + at + 3, bytes);
		if (!replay.services[0]->known)
			begin(&replay);
		at += 3 + bytes;
	}
	replay_end(&replay);
	return 0;
}
