/* SPDX-License-Identifier: Apache-2.0 */
#include "base/probe_plan.h"

#include <stddef.h>

const char *probe_error_text(enum probe_error error)
{
	static const char *const texts[PROBE_ERRORS] = {
		[PROBE_OK] = "ok",
		[PROBE_DNS_TIMEOUT] = "dns_timeout",
		[PROBE_DNS_NXDOMAIN] = "dns_nxdomain",
		[PROBE_REFUSED] = "refused",
		[PROBE_UNREACHABLE] = "unreachable",
		[PROBE_CONNECT_TIMEOUT] = "connect_timeout",
		[PROBE_TLS_ERROR] = "tls_error",
		[PROBE_AUTH_FAILED] = "auth_failed",
		[PROBE_PROTOCOL_ERROR] = "protocol_error",
		[PROBE_NOT_READY] = "not_ready",
		[PROBE_WRONG_ROLE] = "wrong_role",
		[PROBE_SATURATED] = "saturated",
		[PROBE_SLOW] = "slow",
		[PROBE_THRESHOLD] = "threshold",
		[PROBE_TIMEOUT] = "timeout",
		[PROBE_SKIPPED] = "skipped",
		[PROBE_INTERNAL] = "internal",
	};

	return (unsigned)error < PROBE_ERRORS ? texts[error] : NULL;
}

int64_t probe_bucket_ns(unsigned bucket)
{
	static const int64_t bounds_us[PROBE_BUCKETS] = {
		500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 1000000, 2500000, 5000000};

	return bucket < PROBE_BUCKETS ? bounds_us[bucket] * 1000 : INT64_MAX;
}

const char *probe_status_text(enum probe_status status)
{
	static const char *const texts[PROBE_STATUSES] = {
		[PROBE_UNKNOWN] = "unknown", [PROBE_UP] = "up", [PROBE_DEGRADED] = "degraded", [PROBE_DOWN] = "down"};

	return (unsigned)status < PROBE_STATUSES ? texts[status] : NULL;
}

const char *probe_phase_text(enum probe_phase phase)
{
	static const char *const texts[PHASES] = {
		[PHASE_RESOLVE] = "resolve", [PHASE_CONNECT] = "connect", [PHASE_TLS] = "tls", [PHASE_AUTH] = "auth", [PHASE_ASK] = "ask"};

	return (unsigned)phase < PHASES ? texts[phase] : NULL;
}
