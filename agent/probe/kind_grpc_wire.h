/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two messages of grpc.health.v1 in protobuf, with the five bytes that gRPC puts in front of each. No I/O.
 * Threads: any. Failure: 0, GRPC_GARBAGE. Memory: none.
 */
#ifndef LS_PROBE_KIND_GRPC_WIRE_H
#define LS_PROBE_KIND_GRPC_WIRE_H

#include <stddef.h>

#include "base/probe_wire.h"

enum grpc_health {
	GRPC_HEALTH_UNKNOWN,
	GRPC_SERVING,
	GRPC_NOT_SERVING,
	GRPC_SERVICE_UNKNOWN,
	GRPC_OTHER,  /* a number that this version of the protocol has not */
	GRPC_GARBAGE /* no HealthCheckResponse */
};

/* HealthCheckRequest for the service: bytes, 0 when there is no room. */
size_t grpc_write_check(const char *service, unsigned char *out, size_t room);

/* A whole HealthCheckResponse. */
enum grpc_health grpc_read_check(const unsigned char *bytes, size_t count);

/* What a grpc-status other than 0 means; `name`: as the specification calls it. */
enum probe_error grpc_status_error(long status, const char **name);

#endif
