/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/render_dependencies.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/dependency_table.h"

const char *render_class(enum dependency_class class)
{
	static const char *const texts[] = {[DEPENDENCY_SOFT] = "soft", [DEPENDENCY_HARD] = "hard", [DEPENDENCY_INFO] = "info"};

	return texts[class];
}

static bool is_available(const struct snapshot_dependency *of)
{
	return of->status == PROBE_UP || of->status == PROBE_DEGRADED;
}

void render_available(struct json *json, const struct snapshot *snapshot)
{
	json_object(json, "available");
	for (unsigned i = 0; i < snapshot->dependency_count; i++) {
		const struct snapshot_dependency *of = &snapshot->dependencies[i];

		if (of->status == PROBE_UNKNOWN)
			json_null(json, of->name);
		else
			json_bool(json, of->name, is_available(of));
	}
	json_object_end(json);
}

static void write_seconds(struct json *json, const char *key, bool known, int64_t ns)
{
	if (known)
		json_seconds(json, key, ns);
	else
		json_null(json, key);
}

/* To the microsecond: what is near answers within a millisecond. */
static void write_latency(struct json *json, const char *key, const struct snapshot_dependency *of)
{
	if (of->latency_ns >= 0 && is_available(of))
		json_double(json, key, (double)(of->latency_ns / 1000) / 1e6);
	else
		json_null(json, key);
}

static void write_detail(struct json *json, const struct request *request, const char *key, const char *text, size_t size)
{
	if (request->details && *text)
		json_text_within(json, key, text, size);
	else
		json_null(json, key);
}

static void write_one(
	struct json *json, const struct standing *standing, const struct request *request, const struct snapshot_dependency *of)
{
	json_object(json, NULL);
	json_text_within(json, "name", of->name, sizeof of->name);
	json_text(json, "kind", dependency_kinds[of->kind].name);
	json_text(json, "class", render_class(of->class));
	json_text(json, "status", probe_status_text(of->status));
	json_text(json, "error", of->error ? probe_error_text(of->error) : NULL);
	write_seconds(json, "since_seconds", of->since > 0, standing->snapshot->sampled - of->since);
	if (of->has_value)
		json_double(json, "value", of->value);
	else
		json_null(json, "value");
	write_latency(json, "latency_seconds", of);
	write_seconds(json, "age_seconds", of->ended > 0, standing->snapshot->sampled - of->ended);
	json_uint(json, "consecutive_failures", of->failures);
	json_uint(json, "consecutive_successes", of->successes);
	json_text(json, "root", *of->root ? of->root : NULL);
	write_detail(json, request, "detail", of->detail, sizeof of->detail);
	write_detail(json, request, "url", of->url, sizeof of->url);
	write_detail(json, request, "address", of->address, sizeof of->address);
	json_object_end(json);
}

void render_dependencies(struct json *json, const struct standing *standing, const struct request *request)
{
	json_array(json, "dependencies");
	for (unsigned i = 0; i < standing->snapshot->dependency_count; i++)
		write_one(json, standing, request, &standing->snapshot->dependencies[i]);
	json_array_end(json);
}

/* draft-inadarei: "NAME:responseTime" for each. */
void render_dependency_checks(struct json *json, const struct standing *standing, const struct request *request)
{
	static const char *const statuses[] = {"warn", "pass", "warn", "warn"};
	const struct snapshot *snapshot = standing->snapshot;

	for (unsigned i = 0; i < snapshot->dependency_count; i++) {
		const struct snapshot_dependency *of = &snapshot->dependencies[i];
		char key[DEPENDENCY_NAME + 16];

		(void)snprintf(key, sizeof key, "%s:responseTime", of->name); /* fits */
		json_array(json, key);
		json_object(json, NULL);
		json_text(json, "componentId", of->name);
		json_text(json, "componentType", "datastore");
		json_text(json, "class", render_class(of->class)); /* these three are for siblings: probe/kind_peers.c */
		json_text(json, "state", probe_status_text(of->status));
		json_uint(json, "consecutiveFailures", of->failures);
		if (is_available(of) && of->latency_ns >= 0) {
			write_latency(json, "observedValue", of);
			json_text(json, "observedUnit", "s");
		}
		json_text(json, "status", of->gates ? "fail" : statuses[of->status]);
		json_time(json, "time", snapshot->wall - (of->ended ? snapshot->sampled - of->ended : 0));
		if (of->error)
			json_text(json, "output", request->details && *of->detail ? of->detail : probe_error_text(of->error));
		json_object_end(json);
		json_array_end(json);
	}
}

const struct snapshot_dependency *dependency_check(const struct snapshot *snapshot, const char *name)
{
	for (unsigned i = 0; i < snapshot->dependency_count; i++)
		if (strcmp(snapshot->dependencies[i].name, name) == 0)
			return &snapshot->dependencies[i];
	return NULL;
}

const char *dependency_failure(const struct snapshot_dependency *of)
{
	return of->error ? probe_error_text(of->error) : probe_status_text(of->status);
}

/* ---- metrics: one label each, the names of the file */

#define NAMED(of) ((const struct label[]){{"dependency", (of)->name}, {"kind", dependency_kinds[(of)->kind].name}, {NULL, NULL}})

void put_dependency_up(struct sheet *sheet, const struct snapshot *snapshot)
{
	for (unsigned i = 0; i < snapshot->dependency_count; i++)
		if (snapshot->dependencies[i].status != PROBE_UNKNOWN)
			sheet_put_uint(sheet, NAMED(&snapshot->dependencies[i]), is_available(&snapshot->dependencies[i]));
}

void put_dependency_value(struct sheet *sheet, const struct snapshot *snapshot)
{
	for (unsigned i = 0; i < snapshot->dependency_count; i++)
		if (snapshot->dependencies[i].has_value && snapshot->dependencies[i].status != PROBE_UNKNOWN)
			sheet_put_double(sheet, NAMED(&snapshot->dependencies[i]), snapshot->dependencies[i].value);
}

void put_dependency_good(struct sheet *sheet, const struct snapshot *snapshot)
{
	for (unsigned i = 0; i < snapshot->dependency_count; i++) {
		const struct snapshot_dependency *of = &snapshot->dependencies[i];

		if (of->good)
			sheet_put_double(sheet, NAMED(of), (double)(snapshot->wall - (snapshot->sampled - of->good)) / (double)NS_PER_SECOND);
	}
}

void put_dependency_probes(struct sheet *sheet, const struct snapshot *snapshot)
{
	static const char *const outcomes[OUTCOMES] = {[OUTCOME_SUCCESS] = "success", [OUTCOME_DEGRADED] = "degraded",
		[OUTCOME_FAILURE] = "failure", [OUTCOME_TIMEOUT] = "timeout"};

	for (unsigned i = 0; i < snapshot->dependency_count; i++) {
		const struct snapshot_dependency *of = &snapshot->dependencies[i];

		for (unsigned outcome = 0; outcome < OUTCOMES; outcome++)
			sheet_put_uint(sheet,
				((const struct label[]){{"dependency", of->name}, {"kind", dependency_kinds[of->kind].name},
					{"result", outcomes[outcome]}, {NULL, NULL}}),
				of->counts.outcomes[outcome]);
	}
}

static void put_phase(struct sheet *sheet, const struct snapshot_dependency *of, unsigned phase)
{
	const struct label labels[] = {{"dependency", of->name}, {"kind", dependency_kinds[of->kind].name},
		{"phase", probe_phase_text((enum probe_phase)phase)}, {NULL, NULL}};
	double bounds[PROBE_BUCKETS];
	uint64_t counts[PROBE_BUCKETS], below = 0;

	for (unsigned i = 0; i < PROBE_BUCKETS; i++) {
		below += of->counts.phases[phase].buckets[i];
		bounds[i] = (double)probe_bucket_ns(i) / (double)NS_PER_SECOND;
		counts[i] = below;
	}
	sheet_put_histogram(sheet, labels,
		&(struct histogram){bounds, counts, PROBE_BUCKETS, of->counts.phases[phase].count,
			(double)of->counts.phases[phase].sum_ns / (double)NS_PER_SECOND});
}

void put_dependency_durations(struct sheet *sheet, const struct snapshot *snapshot)
{
	for (unsigned i = 0; i < snapshot->dependency_count; i++)
		for (unsigned phase = 0; phase < PHASES; phase++)
			if (snapshot->dependencies[i].counts.phases[phase].count)
				put_phase(sheet, &snapshot->dependencies[i], phase);
}
