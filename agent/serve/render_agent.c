/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is asked of the agent and not of a service: which services there are, and whether it works itself.
 */
#include "base/json.h"
#include "serve/render.h"
#include "serve/roll.h"

static void write_service(struct json *json, const struct standing *standing)
{
	const struct snapshot *snapshot = standing->snapshot;

	json_object(json, NULL);
	json_text_within(json, "name", snapshot->service, sizeof snapshot->service);
	json_text(json, "status", standing_status(standing));
	json_bool(json, "live", standing->ok[PROBE_LIVEZ]);
	json_bool(json, "ready", standing->ok[PROBE_READYZ]);
	json_bool(json, "startup", standing->ok[PROBE_STARTUPZ]);
	if (snapshot->process_count > 0)
		json_int(json, "pid", snapshot->processes[0].pid);
	else
		json_null(json, "pid");
	json_object_end(json);
}

void render_services(struct reply *reply, const struct standing *standing, const struct request *request,
	const struct render_setup *setup)
{
	struct roll roll;
	struct json json;

	(void)setup; /* nothing in it is only for some */
	reply->code = 200;
	reply->content_type = "application/json";
	if (!roll_call(&roll, standing, request)) {
		reply->body.failed = true;
		return;
	}
	json_start(&json, &reply->body);
	json_array(&json, NULL);
	for (unsigned i = 0; i < roll.count; i++)
		if (roll.each[i].snapshot->service[0])
			write_service(&json, &roll.each[i]);
	json_array_end(&json);
	roll_end(&roll);
}

/* 503 only when the sampler itself hangs: then no verdict is worth anything. */
void render_agent_livez(struct reply *reply, const struct standing *standing, const struct request *request,
	const struct render_setup *setup)
{
	bool ok = standing->freshness == FRESHNESS_GOOD;

	(void)request; /* no parameter changes it */
	(void)setup;
	reply->code = ok ? 200 : 503;
	reply->content_type = "text/plain; charset=utf-8";
	buf_text(&reply->body, ok ? "ok" : "[-]sampler failed: stale\nlivez check failed\n");
}
