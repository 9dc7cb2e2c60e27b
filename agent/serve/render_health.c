/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /health: draft-inadarei-api-health-check-06. For dashboards and gateways that know the format, not for a
 * livenessProbe: it fails when the service is alive and not ready.
 */
#include "serve/render.h"

#include <string.h>

#include "base/json.h"
#include "serve/render_dependencies.h"

enum { HEALTH_BYTES = 256 * 1024 };

/* Why not, in codes and free text, for those who may see it. */
static void write_output(struct json *json, const struct standing *standing, const struct snapshot_answer *answer)
{
	struct buf text;

	buf_start(&text, HEALTH_BYTES);
	for (unsigned i = 0; i < answer->reason_count; i++) {
		const struct snapshot_reason *reason = &answer->reasons[i];
		const char *detail = standing_detail(standing, reason);

		buf_text(&text, i ? "; " : "");
		buf_text(&text, reason_text(reason->code));
		if (detail[0])
			buf_text(&text, ": ");
		buf_text(&text, detail);
	}
	if (text.used && !text.failed) {
		json_text_within(json, "output", text.data, text.used);
	}
	buf_free(&text);
}

static void begin_check(struct json *json, const char *key, const char *component)
{
	json_array(json, key);
	json_object(json, NULL);
	json_text(json, "componentId", component);
	json_text(json, "componentType", "component");
}

static void end_check(struct json *json, const char *status, int64_t wall)
{
	json_text(json, "status", status);
	json_time(json, "time", wall);
}

static void write_state(struct json *json, const struct standing *standing, const struct request *request,
	enum probe probe, const char *key, const char *value, const char *status)
{
	begin_check(json, key, probe_label(probe));
	json_text(json, "observedValue", value);
	end_check(json, status, standing->snapshot->wall);
	if (request->details && strcmp(status, "pass") != 0)
		write_output(json, standing, standing_answer(standing, probe));
	json_object_end(json);
	json_array_end(json);
}

/* A full queue is a reason of readyz; here it only shows. */
static void write_listeners(struct json *json, const struct snapshot *snapshot)
{
	if (snapshot->listener_count == 0)
		return;
	json_array(json, "accept_queue:utilization");
	for (unsigned i = 0; i < snapshot->listener_count; i++) {
		const struct snapshot_listener *listener = &snapshot->listeners[i];
		double share = listener->backlog ? (double)listener->queue / listener->backlog : 0;

		json_object(json, NULL);
		json_text_within(json, "componentId", listener->address, sizeof listener->address);
		json_text(json, "componentType", "system");
		json_double(json, "observedValue", share);
		json_text(json, "observedUnit", "ratio");
		end_check(json, share > 1 ? "warn" : "pass", snapshot->wall);
		json_object_end(json);
	}
	json_array_end(json);
}

static const char *live_status(const struct standing *standing)
{
	if (!standing->ok[PROBE_LIVEZ])
		return "fail";
	return standing->verdict == VERDICT_ALIVE ? "pass" : "warn";
}

static void write_checks(struct json *json, const struct standing *standing, const struct request *request)
{
	bool ready = standing->ok[PROBE_READYZ], started = standing->ok[PROBE_STARTUPZ];
	const char *verdict = verdict_text(standing->verdict);

	json_object(json, "checks");
	write_state(json, standing, request, PROBE_LIVEZ, "live:verdict", verdict, live_status(standing));
	write_state(json, standing, request, PROBE_READYZ, "ready:state", ready ? "ready" : "not_ready",
		ready ? "pass" : "fail");
	write_state(json, standing, request, PROBE_STARTUPZ, "startup:state", started ? "started" : "starting",
		started ? "pass" : "warn");
	write_listeners(json, standing->snapshot);
	render_dependency_checks(json, standing, request);
	json_object_end(json);
}

static void write_root_output(struct json *json, const struct standing *standing)
{
	if (!standing->ok[PROBE_LIVEZ])
		write_output(json, standing, standing_answer(standing, PROBE_LIVEZ));
	else if (!standing->ok[PROBE_READYZ])
		write_output(json, standing, standing_answer(standing, PROBE_READYZ));
}

void render_health(struct reply *reply, const struct standing *standing, const struct request *request,
	const struct render_setup *setup)
{
	const struct snapshot *snapshot = standing->snapshot;
	const char *status = standing_status(standing);
	struct json json;

	(void)setup; /* details were decided with the request */
	reply->code = strcmp(status, "fail") == 0 ? 503 : 200;
	reply->content_type = "application/health+json";
	json_start(&json, &reply->body);
	json_object(&json, NULL);
	json_text(&json, "status", status);
	if (snapshot->version[0]) {
		json_text_within(&json, "version", snapshot->version, sizeof snapshot->version);
		json_text_within(&json, "releaseId", snapshot->version, sizeof snapshot->version);
	}
	json_text_within(&json, "serviceId", snapshot->service, sizeof snapshot->service);
	json_text(&json, "description", "health of the service as lifesign sees it");
	if (request->details && strcmp(status, "pass") != 0)
		write_root_output(&json, standing);
	write_checks(&json, standing, request);
	json_object_end(&json);
}
