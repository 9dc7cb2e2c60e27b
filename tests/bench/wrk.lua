-- SPDX-License-Identifier: Apache-2.0
-- What wrk found, as one line of JSON.
function done(summary, latency, requests)
	local errors = summary.errors
	print(string.format('{"requests": %d, "us": %d, "p50": %d, "p99": %d, "p999": %d, "slow": %d, "errors": %d}',
		summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency:percentile(99.9), latency.max > 1000000 and 1 or 0,
		errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
