/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `--record FILE`: what judge saw at each tick and what it said, for a replay; judge/recording.h has the bytes.
 * A tick is put into a ring and written by a thread of its own: a disk that hangs costs ticks, never the
 * sampler's time. What was lost shows as a tick that says everything anew.
 * Threads: the sampler notes; writer_main writes. Failure: said once, and the recording ends; judging goes on.
 * Memory: the ring, and per service a copy of what was last said.
 */
#ifndef LS_RECORDER_H
#define LS_RECORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "judge/recording.h"

struct recorder;
struct recorder_track; /* of one service */

struct recorder_setup {
	int fd;           /* appended to; stays the caller's */
	const char *file; /* its name, for people; kept by pointer */
	uint64_t most_bytes;
	unsigned slots; /* of each service */
};

/* NULL: no memory, or the file has its size. */
struct recorder *recorder_start(const struct recorder_setup *setup);

/* Writes out what is in the ring. */
void recorder_stop(struct recorder *recorder);

/* With NULL these do nothing. `name` as it is at the beginning. */
struct recorder_track *recorder_join(struct recorder *recorder, const char *name);
void recorder_leave(struct recorder_track *track);
/* What is judged from here on has nothing to do with what was before. */
void recorder_renew(struct recorder_track *track);
void recorder_note(struct recorder_track *track, const struct recording_tick *tick);

#endif
