/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/ladder_parts.h"

static void add(struct reason_list *list, enum reason_code code, enum held_code held, bool minor, int64_t since)
{
	if (list->count < VERDICT_REASONS)
		list->items[list->count++] =
			(struct reason){.code = code, .held = held, .minor = minor, .since = since};
}

/* Whose fault it is when it is somebody else's. */
static enum reason_code fault_code(enum held_code held)
{
	if (held == HELD_DEPENDENCY_WAIT)
		return REASON_DEPENDENCY_WAIT;
	return held == HELD_IO_WAIT ? REASON_IO_WAIT : REASON_NONE;
}

static void tell_live(const struct ladder_finding *finding, bool observe, struct verdicts *out)
{
	const struct ladder_stand *stand = &finding->stand;
	bool counts = stand->level == LEVEL_DEAD && stand->held == HELD_NO;

	add(&out->live, ladder_code(finding->row), counts && observe ? HELD_OBSERVE : stand->held,
		stand->level != LEVEL_DEAD, stand->since);
	if (counts && !observe) {
		out->live_ok = false;
		out->verdict = VERDICT_DEAD;
	} else if (out->verdict == VERDICT_ALIVE && stand->held == HELD_NO && !counts) {
		out->verdict = VERDICT_DEGRADED;
	}
}

static void tell_ready(const struct ladder_finding *finding, struct verdicts *out)
{
	const struct ladder_stand *stand = &finding->stand;
	bool gates = stand->level >= LEVEL_NOT_READY && stand_counts(stand) && !finding->forgiven;
	enum reason_code fault = fault_code(stand->held);

	if (fault != REASON_NONE)
		add(&out->ready, fault, HELD_NO, !gates, stand->since);
	else
		add(&out->ready, ladder_code(finding->row), stand->held, !gates, stand->since);
	if (gates)
		out->ready_ok = false;
}

static bool has(const struct reason_list *list, enum reason_code code)
{
	for (unsigned i = 0; i < list->count; i++) {
		if (list->items[i].code == code)
			return true;
	}
	return false;
}

void ladder_tell(const struct ladder_out *found, bool observe, int64_t now, struct verdicts *out)
{
	for (unsigned i = 0; i < found->count; i++) {
		enum reason_code fault = fault_code(found->findings[i].stand.held);

		tell_live(&found->findings[i], observe, out);
		if (fault == REASON_NONE || !has(&out->ready, fault)) /* worst first: the others add nothing */
			tell_ready(&found->findings[i], out);
	}
	if (found->starved)
		add(&out->ready, REASON_STARVED, HELD_NO, true, now);
	if (found->paused)
		add(&out->ready, REASON_PAUSED, HELD_NO, true, now);
}
