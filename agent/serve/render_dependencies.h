/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dependencies in the answers: checks of readyz, the status, /health and metrics. Pure.
 */
#ifndef LS_RENDER_DEPENDENCIES_H
#define LS_RENDER_DEPENDENCIES_H

#include "base/json.h"
#include "serve/exposition.h"
#include "serve/request.h"
#include "serve/standing.h"

void render_available(struct json *json, const struct snapshot *snapshot);
void render_dependencies(struct json *json, const struct standing *standing, const struct request *request);
void render_dependency_checks(struct json *json, const struct standing *standing, const struct request *request);

/* The check of readyz with that name: NULL when there is none. */
const struct snapshot_dependency *dependency_check(const struct snapshot *snapshot, const char *name);

/* "connect_timeout", "skipped", "unknown": what the line says behind "failed:". */
const char *dependency_failure(const struct snapshot_dependency *of);

void put_dependency_up(struct sheet *sheet, const struct snapshot *snapshot);
void put_dependency_value(struct sheet *sheet, const struct snapshot *snapshot);
void put_dependency_good(struct sheet *sheet, const struct snapshot *snapshot);
void put_dependency_probes(struct sheet *sheet, const struct snapshot *snapshot);
void put_dependency_durations(struct sheet *sheet, const struct snapshot *snapshot);

/* "soft", "hard", "info" */
const char *render_class(enum dependency_class class);

#endif
