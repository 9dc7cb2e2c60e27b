/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an agent has learned and its successor must not forget, in a sealed memfd that the supervisor holds.
 * The agent alone writes; the supervisor reads `beat` only.
 *
 *   0      notebook_head: magic, version, sizes, the agent's sign of life, live counters
 *   4096   two copies of notebook_core, each with sequence and checksum; the valid one with the higher
 *          sequence counts, the other is written next
 *   ...    one notebook_track per thread slot, each with its own check word
 *
 * A copy or track that does not check is as if never written: an agent killed half-way costs one tick.
 */
#ifndef LS_NOTEBOOK_H
#define LS_NOTEBOOK_H

#include <stddef.h>
#include <stdint.h>

#define NOTEBOOK_MAGIC UINT64_C(0x314b4f4f42455f4c)
#define NOTEBOOK_VERSION 1

/* First page of the mapping. The supervisor maps this page alone, read-only. */
struct notebook_head {
	uint64_t magic;
	uint32_t version;
	uint32_t slots;
	uint64_t beat; /* atomic: finished ticks of the present agent, plus 1 at its start; any change is a sign of life */
};

/* Size of a notebook for that many slots, a multiple of the page size. */
size_t notebook_bytes(unsigned slots);

/* Makes an empty one: a sealed memfd. Returns the descriptor or -errno. */
int notebook_create(unsigned slots);

#endif
