/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/recording_parts.h"

#include <string.h>

/* Of a number that may be anything; of one that has a last value, as enums and switches have. */
#define FIELD_TO(type, member, most)                                                                           \
	{                                                                                                      \
#member, offsetof(struct type, member), sizeof(((struct type *)0)->member),                    \
			_Generic(((struct type *)0)->member, int8_t                                            \
				 : true, int32_t                                                               \
				 : true, int64_t                                                               \
				 : true, long long                                                             \
				 : true, char                                                                  \
				 : (char)-1 < 0, default                                                       \
				 : false),                                                                     \
			(most)                                                                                 \
	}
#define FIELD(type, member) FIELD_TO(type, member, _Generic(((struct type *)0)->member, bool : 1, default : 0))

#define FRAME(member) FIELD(ladder_frame, member)
static const struct recording_field frame[] = {FRAME(now), FRAME(passed), FRAME(voided), FRAME(starting),
	FRAME(draining), FRAME(outbound), FRAME(backlog_known), FRAME(backlog_falls), FRAME(backlog),
	FRAME(limits.loop_blocked), FRAME(limits.loop_spinning), FRAME(limits.no_progress),
	FRAME(limits.pool_exhausted), FRAME(limits.idle_with_backlog), FRAME(count), FRAME(pools),
	FRAME(process_count)};

#define LOOK(member) FIELD(ladder_look, member)
#define LOOK_TO(member, count) FIELD_TO(ladder_look, member, (count)-1)
static const struct recording_field look[] = {LOOK(claim), LOOK(entries), LOOK(object), LOOK(op), LOOK(process),
	LOOK(pool), LOOK_TO(role, THREAD_ROLE_COUNT), LOOK_TO(state, THREAD_STATE_COUNT), LOOK(accepts),
	LOOK(timed), LOOK(rests), LOOK_TO(on, WAIT_COUNT), LOOK(waits_for), LOOK(kernel_read), LOOK(kernel_entries),
	LOOK(kernel_op), LOOK(kernel_state), LOOK(syscall), LOOK(in_futex), LOOK(futex), LOOK(cpu_ns),
	LOOK(delay_ns), LOOK(switches)};

#define PROCESS(member) FIELD(ladder_process_look, member)
#define PROCESS_TO(member, count) FIELD_TO(ladder_process_look, member, (count)-1)
static const struct recording_field process[] = {PROCESS(start), PROCESS(pid),
	PROCESS_TO(role, PROCESS_ROLE_COUNT), PROCESS(covered), PROCESS(listens), PROCESS(queue),
	PROCESS(dequeued), PROCESS(unread), PROCESS_TO(gate, HELD_COUNT), PROCESS(throttled_ns),
	PROCESS(usage_read), PROCESS(cpu_ns), PROCESS(switches)};

#define THREAD(member) FIELD(knot_thread, member)
static const struct recording_field thread[] = {THREAD(waits_for), THREAD(proven), THREAD(orphan),
	THREAD(may_be_own), THREAD(parked), THREAD(critical), THREAD(object), THREAD(pool)};

#define KNOT(member) FIELD(knot, member)
static const struct recording_field knot[] = {KNOT(first), KNOT(length), KNOT(behind), KNOT(critical)};

#define FACT(member) FIELD(service_facts, member)
static const struct recording_field facts[] = {FACT(now), FACT(bare), FACT(covered), FACT(exited),
	FACT(suspended), FACT(frozen), FACT(core_dump), FACT(traced), FACT(deadlock), FACT(orphaned_lock),
	FACT(deadlock_counts), FACT(orphaned_lock_counts), FACT(draining), FACT(maintenance), FACT(starting),
	FIELD_TO(service_facts, startup, STARTUP_TIMEOUT), FACT(port_accepts), FACT(port_known), FACT(observe),
	FACT(measures[MEASURE_QUEUE].since), FACT(measures[MEASURE_QUEUE].gates),
	FACT(measures[MEASURE_MEMORY].since), FACT(measures[MEASURE_MEMORY].gates),
	FACT(measures[MEASURE_THREADS].since), FACT(measures[MEASURE_THREADS].gates),
	FACT(measures[MEASURE_FDS].since), FACT(measures[MEASURE_FDS].gates)};

#define VERDICT(member) FIELD(verdicts, member)
#define VERDICT_TO(member, most) FIELD_TO(verdicts, member, most)
static const struct recording_field verdicts[] = {VERDICT_TO(verdict, VERDICT_COUNT - 1), VERDICT(live_ok),
	VERDICT(ready_ok), VERDICT(startup_ok), VERDICT_TO(live.count, VERDICT_REASONS),
	VERDICT_TO(ready.count, VERDICT_REASONS), VERDICT_TO(startup.count, VERDICT_REASONS)};

#define REASON_TO(member, count) FIELD_TO(reason, member, (count)-1)
static const struct recording_field reason[] = {REASON_TO(code, REASON_COUNT), REASON_TO(held, HELD_COUNT),
	FIELD(reason, minor), FIELD(reason, since), FIELD(reason, dependency)};

#define TABLE(name)                                                                                            \
	{                                                                                                      \
		name, sizeof(name) / sizeof(name[0])                                                           \
	}
const struct recording_fields recording_tables[RECORDING_TABLES] = {[TABLE_FRAME] = TABLE(frame),
	[TABLE_LOOK] = TABLE(look),
	[TABLE_PROCESS] = TABLE(process),
	[TABLE_THREAD] = TABLE(thread),
	[TABLE_KNOT] = TABLE(knot),
	[TABLE_FACTS] = TABLE(facts),
	[TABLE_VERDICTS] = TABLE(verdicts),
	[TABLE_REASON] = TABLE(reason)};

/* ---- numbers */

void recording_put(struct recording_out *out, uint64_t number)
{
	do {
		if (out->used == out->room) {
			out->full = true;
			return;
		}
		out->bytes[out->used++] = (unsigned char)((number & 0x7f) | (number > 0x7f ? 0x80 : 0));
		number >>= 7;
	} while (number);
}

uint64_t recording_get(struct recording_in *in)
{
	uint64_t number = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		unsigned char byte;

		if (in->used == in->room)
			break;
		byte = in->bytes[in->used++];
		number |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return number;
	}
	in->bad = true;
	return 0;
}

void recording_put_text(struct recording_out *out, const char *text, size_t bytes)
{
	recording_put(out, bytes);
	if (out->full || out->room - out->used < bytes) {
		out->full = true;
		return;
	}
	memcpy(out->bytes + out->used, text, bytes);
	out->used += bytes;
}

const char *recording_get_text(struct recording_in *in, size_t *bytes)
{
	uint64_t length = recording_get(in);
	const char *text = (const char *)in->bytes + in->used;

	*bytes = 0;
	if (in->bad || length > in->room - in->used) {
		in->bad = true;
		return "";
	}
	in->used += (size_t)length;
	*bytes = (size_t)length;
	return text;
}

/* ---- structs */

/* Little-endian, as every machine that this runs on: lint of the build, segment.h. */
static uint64_t load(const struct recording_field *field, const void *from)
{
	const unsigned char *at = (const unsigned char *)from + field->offset;
	uint64_t value = 0;

	memcpy(&value, at, field->bytes);
	if (field->is_signed && field->bytes < 8 && value >> (8 * field->bytes - 1))
		value |= ~UINT64_C(0) << 8 * field->bytes;
	return value;
}

/* False: the file says what the field cannot say. */
static bool store(const struct recording_field *field, void *into, uint64_t value)
{
	if (field->most && value > (uint64_t)field->most)
		return false;
	memcpy((unsigned char *)into + field->offset, &value, field->bytes);
	return true;
}

static uint64_t fold(uint64_t difference)
{
	return difference << 1 ^ (difference >> 63 ? ~UINT64_C(0) : 0);
}

static uint64_t unfold(uint64_t number)
{
	return number >> 1 ^ (number & 1 ? ~UINT64_C(0) : 0);
}

static uint64_t changes(enum recording_table table, const void *now, const void *before)
{
	const struct recording_fields *fields = &recording_tables[table];
	uint64_t mask = 0;

	for (unsigned i = 0; i < fields->count; i++)
		mask |= (uint64_t)(load(&fields->fields[i], now) != load(&fields->fields[i], before)) << i;
	return mask;
}

bool recording_differs(enum recording_table table, const void *now, const void *before)
{
	return changes(table, now, before) != 0;
}

bool recording_put_struct(struct recording_out *out, enum recording_table table, const void *now, void *before)
{
	const struct recording_fields *fields = &recording_tables[table];
	uint64_t mask = changes(table, now, before);

	recording_put(out, mask);
	for (unsigned i = 0; i < fields->count; i++) {
		const struct recording_field *field = &fields->fields[i];

		if (!(mask >> i & 1))
			continue;
		recording_put(out, fold(load(field, now) - load(field, before)));
		memcpy((unsigned char *)before + field->offset, (const unsigned char *)now + field->offset,
			field->bytes);
	}
	return mask != 0;
}

void recording_get_struct(
	struct recording_in *in, const struct recording_begin *begin, enum recording_table table, void *into)
{
	uint64_t mask = recording_get(in);

	if (begin->counts[table] < 64 && mask >> begin->counts[table])
		in->bad = true;
	for (unsigned i = 0; i < begin->counts[table] && !in->bad; i++) {
		unsigned ours = begin->fields[table][i];
		uint64_t difference;

		if (!(mask >> i & 1))
			continue;
		difference = unfold(recording_get(in));
		if (ours < recording_tables[table].count) {
			const struct recording_field *field = &recording_tables[table].fields[ours];

			in->bad |= !store(field, into, load(field, into) + difference);
		}
	}
}
