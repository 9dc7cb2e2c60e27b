/* SPDX-License-Identifier: Apache-2.0 */
/* A segment and who frees what is left in it; the shim's part is played by the test. */
#ifndef LS_TEST_RECLAIM_STAGE_H
#define LS_TEST_RECLAIM_STAGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "supervise/mapping.h"
#include "supervise/reclaim.h"

enum { SLOTS = 64 };

struct fixture {
	struct segment segment;
	struct reclaim reclaim;
};

static inline int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	assert_int_equal(segment_make(&fixture->segment, SLOTS), 0);
	assert_int_equal(reclaim_start(&fixture->reclaim, &fixture->segment), 0);
	*state = fixture;
	return 0;
}

static inline int tear_down(void **state)
{
	struct fixture *fixture = *state;

	reclaim_stop(&fixture->reclaim);
	segment_drop(&fixture->segment);
	free(fixture);
	return 0;
}

static inline uint64_t claim_word(uint32_t generation, pid_t pid)
{
	return (uint64_t)generation << 32 | (uint32_t)pid;
}

static inline void claim_process(struct fixture *fixture, uint32_t index, pid_t pid, uint64_t stamp)
{
	fixture->segment.processes[index].stamp = stamp;
	fixture->segment.processes[index].claim = claim_word(1, pid);
}

static inline void claim_slot(struct fixture *fixture, uint32_t index, uint32_t process, pid_t pid, pid_t tid)
{
	struct segment_slot *slot = &fixture->segment.slots[index];

	slot->process = process;
	slot->tid = (uint32_t)tid;
	slot->stamp = (uint64_t)clock_boot_ns();
	slot->call = 77;
	slot->entries = 5;
	slot->claim = claim_word(index + 1, pid);
	fixture->segment.header->threads_started++;
}

static inline uint64_t process_claim(const struct fixture *fixture, uint32_t index)
{
	return fixture->segment.processes[index].claim;
}

static inline uint64_t slot_claim(const struct fixture *fixture, uint32_t index)
{
	return fixture->segment.slots[index].claim;
}

static inline void look(struct fixture *fixture, int times)
{
	while (times--)
		reclaim_look(&fixture->reclaim, false);
}

#endif
