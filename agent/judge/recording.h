/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What judge saw of a service at each tick, as bytes, and back: so that the same can be judged again. Only what
 * changed since the tick before is written. Every recording names its fields, so that old ones are still read
 * when fields come and go; numbers of enums mean what they meant. Pure: the caller gives the room.
 * Failure: bytes that do not fit or do not make sense are refused; the next tick must then be a whole one.
 */
#ifndef LS_RECORDING_H
#define LS_RECORDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "judge/knots.h"
#include "judge/ladder.h"
#include "judge/verdict.h"

/*
 * A file is records, one behind the other. Whoever is killed leaves half a one, and his successor goes on
 * behind it with a RECORD_BEGIN: readers look for the next head that checks.
 */
enum {
	RECORDING_VERSION = 1,
	RECORDING_HEAD = 16,
	RECORDING_RECORD = 16 << 20,
	RECORDING_KNOTS = 8,
	RECORDING_NAME = 64
};

enum recording_kind {
	RECORD_BEGIN = 1, /* of a service, or of another agent's part of it: what follows starts from nothing */
	RECORD_TICK,
	RECORD_END /* nothing follows of anybody: the file has its size */
};

struct recording_head {
	uint32_t magic;
	uint32_t bytes; /* behind the head */
	uint32_t check; /* of kind and bytes behind the head */
	uint32_t kind;  /* enum recording_kind */
};

#define RECORDING_MAGIC UINT32_C(0x3152534c) /* "LSR1" */

uint32_t recording_check(uint32_t kind, const void *body, size_t bytes);

/* One tick. Pointers of the frame lead to its own arrays; `state` of processes is not written. */
struct recording_tick {
	const struct ladder_frame *frame;     /* NULL: the ladder did not run */
	const struct ladder_learned *learned; /* after the step */
	const struct knot_thread *threads;
	unsigned thread_count;
	const struct knot *knots; /* at most RECORDING_KNOTS */
	unsigned knot_count;
	const struct service_facts *facts;
	const struct verdicts *verdicts; /* as judged: nothing held back */
};

/* What one side knows the other side to know. Arrays are zeroed to begin with. */
struct recording_state {
	struct ladder_look *looks;             /* max_looks */
	uint32_t *order, *seen;                /* max_looks each */
	struct ladder_process_look *processes; /* max_processes */
	struct knot_thread *threads;           /* max_looks */
	unsigned max_looks, max_processes;
	bool follows; /* the next tick may say only what changed */
	/* valid after a tick; the frame points to the arrays above */
	uint32_t ticks;
	bool has_frame, whole; /* `whole`: this tick said everything, for the ones before it are not known */
	struct ladder_frame frame;
	struct ladder_learned learned;
	struct service_facts facts;
	struct verdicts verdicts;
	struct knot knots[RECORDING_KNOTS];
	unsigned knot_count, thread_count;
};

/* What a recording begins with. `fields` is filled by recording_read_begin and needed to read ticks. */
enum { RECORDING_TABLES = 8, RECORDING_FIELDS = 48 };

struct recording_begin {
	uint32_t version, service; /* a number, not the same one for two services of a file */
	int64_t boot, wall;        /* ns, at the moment of writing */
	char name[RECORDING_NAME];
	/* for each table and field of the writer, which field of ours that is; RECORDING_FIELDS: none */
	uint8_t fields[RECORDING_TABLES][RECORDING_FIELDS];
	uint8_t counts[RECORDING_TABLES];
};

/* Bytes written, 0: no room. */
size_t recording_write_begin(const struct recording_begin *begin, unsigned char *out, size_t bytes);
size_t recording_write_tick(struct recording_state *state, uint32_t service, const struct recording_tick *tick,
	unsigned char *out, size_t bytes);

/* False: not such a record. */
bool recording_read_begin(struct recording_begin *out, const unsigned char *body, size_t bytes);
bool recording_read_service(uint32_t *service, const unsigned char *body, size_t bytes);
bool recording_read_tick(struct recording_state *state, const struct recording_begin *begin,
	const unsigned char *body, size_t bytes);

#endif
