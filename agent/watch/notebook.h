/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an agent has learned and its successor must not forget, in a sealed memfd that the supervisor holds.
 * The agent alone writes; the supervisor reads `beat` only.
 *
 *   0      notebook_head: magic, version, sizes, the agent's sign of life, request counters
 *   4096   two copies of notebook_core, each with sequence and checksum; the valid one with the higher
 *          sequence counts, the other is written next
 *   ...    one notebook_track per thread slot, each with its own check word
 *
 * A copy or track that does not check is as if never written: an agent killed half-way costs one tick.
 */
#ifndef LS_NOTEBOOK_H
#define LS_NOTEBOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "judge/home.h"
#include "judge/record.h"

#define NOTEBOOK_MAGIC UINT64_C(0x314b4f4f42455f4c)
#define NOTEBOOK_VERSION 2

enum { NOTEBOOK_ALARMS = 8, NOTEBOOK_EVENTS = 64, NOTEBOOK_COUNTERS = 384, NOTEBOOK_HEAD_BYTES = 4096 };

/* First page of the mapping. The supervisor maps this page alone, read-only. */
struct notebook_head {
	uint64_t magic;
	uint32_t version;
	uint32_t slots;
	uint64_t beat; /* atomic: finished ticks plus 1 at each agent's start; any change is a sign of life */
	uint64_t counters[NOTEBOOK_COUNTERS]; /* atomic adds by http threads; they never fall */
};
_Static_assert(sizeof(struct notebook_head) <= NOTEBOOK_HEAD_BYTES, "the head is one page");

struct notebook_event {
	int64_t wall_ns;
	uint32_t what;   /* enum event_what */
	uint32_t reason; /* of a dependency enum probe_error, else enum reason_code */
	char from[16], to[16];
	char subject[64];
};

struct notebook_core {
	uint64_t sequence;
	uint64_t checksum; /* of everything behind it */
	/* start-up, for the main process that began then */
	int64_t main_started;
	uint32_t startup; /* enum startup_state */
	uint32_t live_was_ok, ready_was_ok, startup_was_ok; /* last published, for transitions */
	uint32_t verdict_was;
	uint32_t published; /* something was published before */
	uint32_t listened;  /* it has had a listening socket */
	uint32_t config_generation;
	uint64_t transitions[3];
	/* counters that never fall */
	uint64_t beats, threads_started, threads_ended;
	uint64_t cpu_retired_ticks; /* CPU of processes that are gone */
	uint64_t overruns;
	uint32_t workers_peak;
	uint32_t alarms[NOTEBOOK_ALARMS]; /* false alarms by enum ladder_row */
	/* the last events, a ring */
	uint32_t event_next;
	uint64_t event_total;
	struct notebook_event events[NOTEBOOK_EVENTS];
};

/* What is known of the thread in slot i. The sampler works on it in place. */
struct notebook_track {
	uint64_t check;   /* of the words below; 0 while being written */
	uint64_t claim;   /* whose: as in the slot */
	uint64_t stamp;
	uint64_t entries; /* at the last tick */
	uint64_t call;
	uint64_t caller;
	int64_t since;    /* CLOCK_BOOTTIME ns: when it was first seen as it is */
	uint64_t noted;   /* entries when its wait was last noted in `home`, 0 = never */
	uint32_t role;    /* enum thread_role */
	uint32_t accepts; /* it takes connections from a listener */
	struct home home;
};

struct notebook {
	unsigned char *base;
	size_t bytes;
	struct notebook_head *head;
	struct notebook_core core; /* the working copy; notebook_save writes it out */
	struct notebook_track *tracks;
	uint32_t slots;
};

/* Size of a notebook for that many slots, a multiple of the page size. */
size_t notebook_bytes(unsigned slots);

/* Makes an empty one: a sealed memfd. Returns the descriptor or -errno. */
int notebook_create(unsigned slots);

/* Maps it read-write and loads the newest valid core (zeroes when there is none). 0 or -errno. */
int notebook_open(struct notebook *notebook, int fd);
void notebook_close(struct notebook *notebook);

/* Writes the working core over the older copy. */
void notebook_save(struct notebook *notebook);

/* The agent's sign of life. */
void notebook_beat(struct notebook *notebook);

bool notebook_track_is_valid(const struct notebook_track *track);
void notebook_track_open(struct notebook_track *track);  /* before writing */
void notebook_track_close(struct notebook_track *track); /* after writing */

void notebook_add_event(struct notebook *notebook, const struct notebook_event *event);

#endif
