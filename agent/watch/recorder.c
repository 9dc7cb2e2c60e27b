/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/recorder.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "watch/tree.h"

/* Room for a tick that says everything of each slot, and for four such ticks on their way. */
enum { LOOK_BYTES = 192, TICK_BYTES = 256 << 10, TICKS_ON_THE_WAY = 4, WRITE_BYTES = 1 << 20 };

struct recorder {
	/* immutable after recorder_start */
	int fd, wake;
	const char *file;
	uint64_t most_bytes;
	unsigned slots;
	size_t room, tick_room; /* `room`: a power of two */
	unsigned char *ring;
	pthread_t writer;
	/* owner: the sampler */
	unsigned char *tick;
	uint64_t bytes; /* of the file, and what is on its way to it */
	bool ended;
	uint32_t services;
	/* atomic: bytes ever put in by the sampler, taken out by the writer; release pairs with the other one's
	 * acquire */
	atomic_size_t tail, head;
	atomic_bool closing, failed;
};

struct recorder_track {
	struct recorder *recorder;
	struct recording_state state;
	struct recording_begin begin;
	bool begun;
};

/* ---- the writer */

static bool write_out(struct recorder *recorder, size_t head, size_t tail)
{
	size_t at = head & (recorder->room - 1), bytes = tail - head;
	ssize_t written;

	if (bytes > recorder->room - at)
		bytes = recorder->room - at;
	written = write(recorder->fd, recorder->ring + at, bytes < WRITE_BYTES ? bytes : WRITE_BYTES);
	if (written < 0 && errno != EINTR) {
		log_event(LOG_LEVEL_WARN, "record", "cannot write the recording %s: %s; it ends here",
			recorder->file, strerror(errno));
		return false;
	}
	atomic_store_explicit(
		&recorder->head, head + (size_t)(written > 0 ? written : 0), memory_order_release);
	return true;
}

/* Owns the file. May block in write(2) as long as the disk does. Stops when it fails, or is empty and closing.
 */
static void *writer_main(void *argument)
{
	struct recorder *recorder = argument;
	uint64_t count;

	for (;;) {
		size_t head = atomic_load_explicit(&recorder->head, memory_order_relaxed);
		bool closing = atomic_load_explicit(&recorder->closing, memory_order_acquire);
		size_t tail = atomic_load_explicit(&recorder->tail, memory_order_acquire);

		if (head == tail) {
			if (closing)
				return NULL;
			(void)!read(recorder->wake, &count,
				sizeof(count)); /* any return is a reason to look again */
		} else if (!write_out(recorder, head, tail)) {
			atomic_store_explicit(
				&recorder->failed, true, memory_order_relaxed); /* orders nothing */
			return NULL;
		}
	}
}

static void wake_writer(struct recorder *recorder)
{
	const uint64_t one = 1;

	(void)!write(recorder->wake, &one, sizeof(one)); /* full only after 2^64 ticks */
}

/* All signals stay the sampler's; that of a file-size limit then becomes EFBIG. */
static int start_writer(struct recorder *recorder)
{
	sigset_t all, before;
	int ret;

	(void)sigfillset(&all); /* cannot fail */
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = pthread_create(&recorder->writer, NULL, writer_main, recorder);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (ret == 0)
		(void)pthread_setname_np(recorder->writer, "lifesign-record");
	return -ret;
}

/* ---- the ring's other end */

static void put(struct recorder *recorder, size_t *tail, const void *bytes, size_t count)
{
	size_t at = *tail & (recorder->room - 1),
	       first = recorder->room - at < count ? recorder->room - at : count;

	memcpy(recorder->ring + at, bytes, first);
	memcpy(recorder->ring, (const unsigned char *)bytes + first, count - first);
	*tail += count;
}

/* False: the writer has fallen behind. */
static bool put_record(struct recorder *recorder, enum recording_kind kind, size_t bytes)
{
	struct recording_head head = {.magic = RECORDING_MAGIC, .bytes = (uint32_t)bytes, .kind = kind};
	size_t tail = atomic_load_explicit(&recorder->tail, memory_order_relaxed);
	size_t used = tail - atomic_load_explicit(&recorder->head, memory_order_acquire);

	_Static_assert(sizeof(head) == RECORDING_HEAD, "the head is what readers take it for");
	if (recorder->room - used < sizeof(head) + bytes)
		return false;
	head.check = recording_check(kind, recorder->tick, bytes);
	put(recorder, &tail, &head, sizeof(head));
	put(recorder, &tail, recorder->tick, bytes);
	recorder->bytes += sizeof(head) + bytes;
	atomic_store_explicit(&recorder->tail, tail, memory_order_release);
	wake_writer(recorder);
	return true;
}

/* The last record has its place: what comes before it stops short of the size by a head. */
static bool has_its_size(struct recorder *recorder, size_t bytes)
{
	if (recorder->bytes + bytes + 2 * RECORDING_HEAD <= recorder->most_bytes)
		return false;
	recorder->ended = true;
	(void)put_record(recorder, RECORD_END, 0); /* no room: then it ends without a word */
	log_event(LOG_LEVEL_WARN, "record", "the recording %s has its %llu MiB: it ends here", recorder->file,
		(unsigned long long)(recorder->most_bytes >> 20));
	return true;
}

static bool begin(struct recorder_track *track)
{
	struct recorder *recorder = track->recorder;
	size_t bytes;

	track->begin.boot = clock_boot_ns();
	track->begin.wall = clock_wall_ns();
	bytes = recording_write_begin(&track->begin, recorder->tick, recorder->tick_room);
	if (has_its_size(recorder, bytes))
		return false;
	track->begun = put_record(recorder, RECORD_BEGIN, bytes);
	return track->begun;
}

void recorder_renew(struct recorder_track *track)
{
	if (track)
		track->begun = track->state.follows = false;
}

void recorder_note(struct recorder_track *track, const struct recording_tick *tick)
{
	struct recorder *recorder = track ? track->recorder : NULL;
	size_t bytes;

	if (!recorder || recorder->ended || atomic_load_explicit(&recorder->failed, memory_order_relaxed))
		return;
	if (!track->begun && !begin(track))
		return;
	bytes = recording_write_tick(
		&track->state, track->begin.service, tick, recorder->tick, recorder->tick_room);
	if (bytes && has_its_size(recorder, bytes))
		return;
	if (!bytes || !put_record(recorder, RECORD_TICK, bytes))
		track->state.follows = false; /* a gap: the next one says everything */
}

/* ---- begin and end */

struct recorder_track *recorder_join(struct recorder *recorder, const char *name)
{
	struct recorder_track *track = recorder ? calloc(1, sizeof(*track)) : NULL;
	struct recording_state *state;

	if (!track)
		return NULL;
	state = &track->state;
	state->max_looks = recorder->slots;
	state->max_processes = TREE_PROCESSES;
	state->looks = calloc(state->max_looks, sizeof(*state->looks));
	state->order = calloc(state->max_looks, sizeof(*state->order));
	state->seen = calloc(state->max_looks, sizeof(*state->seen));
	state->threads = calloc(state->max_looks, sizeof(*state->threads));
	state->processes = calloc(state->max_processes, sizeof(*state->processes));
	track->recorder = recorder;
	track->begin.service = recorder->services++;
	strncpy(track->begin.name, name, sizeof(track->begin.name) - 1);
	if (state->looks && state->order && state->seen && state->threads && state->processes)
		return track;
	recorder_leave(track);
	return NULL;
}

void recorder_leave(struct recorder_track *track)
{
	if (!track)
		return;
	free(track->state.looks);
	free(track->state.order);
	free(track->state.seen);
	free(track->state.threads);
	free(track->state.processes);
	free(track);
}

static void release(struct recorder *recorder)
{
	if (recorder->wake >= 0)
		close(recorder->wake);
	free(recorder->ring);
	free(recorder->tick);
	free(recorder);
}

struct recorder *recorder_start(const struct recorder_setup *setup)
{
	struct recorder *recorder = calloc(1, sizeof(*recorder));
	struct stat status;

	if (!recorder)
		return NULL;
	recorder->fd = setup->fd;
	recorder->file = setup->file;
	recorder->most_bytes = setup->most_bytes;
	recorder->slots = setup->slots;
	recorder->tick_room = TICK_BYTES + (size_t)setup->slots * LOOK_BYTES;
	for (recorder->room = 1; recorder->room < recorder->tick_room * TICKS_ON_THE_WAY;)
		recorder->room *= 2;
	recorder->ring = malloc(recorder->room);
	recorder->tick = malloc(recorder->tick_room);
	recorder->wake = eventfd(0, EFD_CLOEXEC);
	recorder->bytes = fstat(setup->fd, &status) == 0 ? (uint64_t)status.st_size : UINT64_MAX / 2;
	if (recorder->ring && recorder->tick && recorder->wake >= 0 &&
		recorder->bytes + 2 * RECORDING_HEAD <= setup->most_bytes && start_writer(recorder) == 0)
		return recorder;
	release(recorder);
	return NULL;
}

void recorder_stop(struct recorder *recorder)
{
	if (!recorder)
		return;
	atomic_store_explicit(&recorder->closing, true, memory_order_release); /* partner: writer_main */
	wake_writer(recorder);
	(void)pthread_join(recorder->writer, NULL);
	release(recorder);
}
