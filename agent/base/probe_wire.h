/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the prober tells the agent, one message a result, over a SOCK_SEQPACKET pair both ends of which the
 * supervisor keeps. Fixed sizes, little trust: the agent checks every field (base/probe_wire.c).
 * Ownership: plain data. The epoch is a hash of the dependencies as read: results of another reading of the file
 * are dropped.
 */
#ifndef LS_PROBE_WIRE_H
#define LS_PROBE_WIRE_H

#include <stdbool.h>
#include <stdint.h>

/* The errors of the contract, in its order; texts in base/probe_texts.c. */
enum probe_error {
	PROBE_OK,
	PROBE_DNS_TIMEOUT,
	PROBE_DNS_NXDOMAIN,
	PROBE_REFUSED,
	PROBE_UNREACHABLE,
	PROBE_CONNECT_TIMEOUT,
	PROBE_TLS_ERROR,
	PROBE_AUTH_FAILED,
	PROBE_PROTOCOL_ERROR,
	PROBE_NOT_READY,
	PROBE_WRONG_ROLE,
	PROBE_SATURATED,
	PROBE_SLOW,
	PROBE_THRESHOLD,
	PROBE_TIMEOUT,
	PROBE_SKIPPED,
	PROBE_INTERNAL,
	PROBE_ERRORS
};

enum probe_status { PROBE_UNKNOWN, PROBE_UP, PROBE_DEGRADED, PROBE_DOWN, PROBE_STATUSES };

enum probe_phase { PHASE_RESOLVE, PHASE_CONNECT, PHASE_TLS, PHASE_AUTH, PHASE_ASK, PHASES };

enum { PROBE_DETAIL = 160, PROBE_ADDRESS = 64, PROBE_ROOT = 128, PROBE_WIRE_VERSION = 1 };

struct probe_result {
	uint32_t version;
	uint32_t dependency; /* index in the file */
	uint64_t epoch;
	uint64_t sequence;   /* of this prober; rises */
	uint64_t cycle;
	uint32_t status;     /* enum probe_status: of this attempt alone, without hysteresis */
	uint32_t error;      /* enum probe_error; PROBE_OK when up */
	int64_t began, ended;        /* CLOCK_BOOTTIME ns */
	int64_t phase_ns[PHASES];    /* 0: was not needed */
	double value;                /* when has_value */
	uint8_t has_value;
	uint8_t reserved[7];
	char address[PROBE_ADDRESS]; /* numeric, with port, that was tried last; may be empty */
	char detail[PROBE_DETAIL];   /* for people; no secrets */
	char root[PROBE_ROOT];       /* `follow`: the root cause that the other lifesign named */
};

/* "dns_timeout", …; never NULL for a valid value. */
const char *probe_error_text(enum probe_error error);
const char *probe_status_text(enum probe_status status);
const char *probe_phase_text(enum probe_phase phase);

/* Made of a message as received: false when it is none that this agent understands. Texts end with 0 afterwards and
 * hold printable ASCII or UTF-8 only. */
bool probe_result_check(struct probe_result *result, uint64_t bytes, uint64_t epoch, unsigned dependencies);

#endif
