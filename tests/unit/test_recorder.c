/* SPDX-License-Identifier: Apache-2.0 */
/* The recorder never keeps the sampler waiting, and a recording has an end. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/replay.h"
#include "unit/ladder_histories.h"
#include "watch/recorder.h"

enum { FILE_BYTES = 64 << 20 };

static struct world world;
static struct replay replay;
static unsigned char *file;
static size_t used;

static void note_much(struct recorder_track *track, unsigned ticks)
{
	struct service_facts facts = {.now = 1, .covered = true};
	struct verdicts verdicts;
	struct recording_tick tick = {.facts = &facts,
		.verdicts = &verdicts,
		.frame = &world.frame,
		.learned = &world.ladder.learned};

	for (unsigned i = 0; i < ticks; i++) {
		facts.now += TICK;
		move(&world, draw(world.frame.count));
		world.frame.now += TICK;
		keep_book(&world);
		verdict_judge(&facts, &verdicts);
		recorder_note(track, &tick);
	}
}

static void judge_again(void)
{
	replay = (struct replay){.max_looks = 64, .max_processes = WORLD_PROCESSES};
	replay_feed(&replay, file, used);
	replay_end(&replay);
}

static void load(int fd)
{
	ssize_t got;

	for (used = 0; (got = read(fd, file + used, FILE_BYTES - used)) > 0;)
		used += (size_t)got;
	judge_again();
}

/* Until nothing more comes for a while. */
static void drain(int fd)
{
	struct pollfd more = {.fd = fd, .events = POLLIN};

	while (poll(&more, 1, 300) > 0) {
		ssize_t got = read(fd, file + used, FILE_BYTES - used);

		assert_true(got > 0);
		used += (size_t)got;
	}
}

static void a_reader_that_does_not_read_costs_ticks_and_no_time(void **state)
{
	struct recorder_setup setup = {.file = "pipe", .most_bytes = FILE_BYTES, .slots = 64};
	int64_t before = clock_mono_ns();
	struct recorder *recorder;
	struct recorder_track *track;
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	setup.fd = ends[1];
	begin(&world);
	change(&world);
	recorder = recorder_start(&setup);
	track = recorder_join(recorder, "orders");
	note_much(track, 60000); /* more than pipe and ring hold */
	assert_true(clock_mono_ns() - before < 90 * SECOND); /* it would wait for ever */
	used = 0;
	drain(ends[0]);
	note_much(track, 10); /* there is room again */
	drain(ends[0]);
	judge_again();
	assert_true(replay.begins == 1 && replay.ticks > 1000 && replay.ticks < 60000);
	assert_int_equal(replay.gaps, 1);
	assert_int_equal(replay.torn, 0);
	close(ends[0]);
	note_much(track, 10);
	recorder_leave(track);
	recorder_stop(recorder); /* the writer gets EPIPE, not the process a signal */
	close(ends[1]);
}

static void a_recording_ends_at_its_size_and_says_so(void **state)
{
	char path[] = "/tmp/ls-recording-XXXXXX";
	struct recorder_setup setup = {.file = path, .most_bytes = 1 << 20, .slots = 64};
	struct recorder *recorder;
	struct recorder_track *track;

	(void)state;
	setup.fd = mkostemp(path, O_APPEND);
	assert_true(setup.fd >= 0);
	for (unsigned agent = 0; agent < 2; agent++) { /* a second one finds it full */
		begin(&world);
		recorder = recorder_start(&setup);
		assert_true(agent == 0 ? recorder != NULL : recorder == NULL);
		track = recorder_join(recorder, "orders");
		note_much(track, 100000);
		recorder_leave(track);
		recorder_stop(recorder);
	}
	assert_true(lseek(setup.fd, 0, SEEK_END) <= 1 << 20);
	(void)lseek(setup.fd, 0, SEEK_SET);
	load(setup.fd);
	assert_true(replay.ended && used > (1 << 20) - 8192);
	assert_int_equal(replay.torn, 0);
	close(setup.fd);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reader_that_does_not_read_costs_ticks_and_no_time),
		cmocka_unit_test(a_recording_ends_at_its_size_and_says_so),
	};

	file = replay_room(1, FILE_BYTES);
	seed = 42;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
