/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One question to one dependency under one absolute deadline, which was fixed when its cycle began and is
 * shared by all phases: resolve, connect, TLS, authenticate, ask, answer.
 *
 * Threads: the dependency's own; `held` also the engine's, which frees an attempt that overran its deadline by
 * shutdown(held), never by close. Failure: the first attempt_fail() stays.
 */
#ifndef LS_ATTEMPT_H
#define LS_ATTEMPT_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/dependency.h"
#include "base/probe_wire.h"

struct attempt {
	const struct dependency *of;
	int64_t began, deadline;     /* CLOCK_MONOTONIC ns */
	bool urgent;                 /* asked out of turn: something fell, or may have */
	struct probe_result *result; /* what will be sent */
	_Atomic unsigned phase; /* enum probe_phase */
	int64_t phase_began;
	_Atomic int held;     /* the descriptor that shutdown() frees; -1 none */
	pthread_mutex_t note; /* result->address */
};

/* For who asks, not for kinds: an attempt that began at `began` (CLOCK_MONOTONIC ns), and its end, which completes
 * `result`. attempt_overdue fills another result with what an overrun attempt is known to have reached; any thread. */
void attempt_begin(struct attempt *attempt, const struct dependency *of, struct probe_result *result, int64_t began,
	int64_t deadline);
void attempt_end(struct attempt *attempt);
void attempt_overdue(struct attempt *attempt, struct probe_result *out);

/* The name of the service on whose behalf everything is asked; set once, before the first attempt. */
void attempt_name_service(const char *name);
const char *attempt_service(void);

/* Ends the present phase and begins the next; times add up by phase. The kind says AUTH, ASK; the helpers below
 * say the others. */
void attempt_phase(struct attempt *attempt, enum probe_phase phase);

/* Says what is wrong. `detail` for a person, never a secret; cut to its field. Always false, to be returned. */
bool attempt_fail(struct attempt *attempt, enum probe_error error, const char *detail, ...)
	__attribute__((format(printf, 3, 4)));
bool attempt_failed(const struct attempt *attempt);

/* It answered, but it is worse than it should be: degraded. As attempt_fail, but a later fail wins. */
void attempt_degrade(struct attempt *attempt, enum probe_error error, const char *detail, ...)
	__attribute__((format(printf, 3, 4)));

/* The number that was asked for; the engine compares it with min and max. */
void attempt_value(struct attempt *attempt, double value);

/* 0 when the time is over, else at least 1. */
int attempt_left_ms(const struct attempt *attempt);

/* Waits for events (POLLIN, POLLOUT) of fd: true, or false after it has failed with the error of the present phase
 * (connect_timeout while connecting, tls_error never, timeout while asking, …). */
bool attempt_wait(struct attempt *attempt, int fd, short events);

/* Has the other side ended a connection that was kept? A question on it would be lost. False for -1. */
bool attempt_hung_up(int fd);

/* What shutdown() frees while the kind waits elsewhere (in a library); -1 none. attempt_connect holds its own. */
void attempt_hold(struct attempt *attempt, int fd);

/* Addresses of a host, in the order to try, with the port set; literals at once; else from the prober's resolver,
 * which caches, asks in a thread of its own and gives the last good ones while it cannot. Returns how many
 * (1 to 8), or 0 after it has failed (dns_timeout, dns_nxdomain). Rotates. */
struct attempt_address {
	struct sockaddr_storage address;
	socklen_t length;
};
enum { ATTEMPT_ADDRESSES = 8 };
unsigned attempt_resolve(
	struct attempt *attempt, const char *host, unsigned port, struct attempt_address out[ATTEMPT_ADDRESSES]);

/* Resolves and connects over TCP: each address in turn within a share of what is left; notes the address in the
 * result. A non-blocking, close-on-exec descriptor, or -1 after it has failed (refused, unreachable,
 * connect_timeout, dns_…). The caller owns it. */
int attempt_connect(struct attempt *attempt, const char *host, unsigned port);

/* The same over a unix socket. */
int attempt_connect_unix(struct attempt *attempt, const char *path);

/* For kinds whose library connects by itself: which numeric address is being tried, for the reason's text. */
void attempt_note_address(struct attempt *attempt, const struct sockaddr *address, socklen_t length);

/* Sends all / receives at least one byte within the deadline. Bytes, or 0 end of file (not a failure by itself), or -1
 * after it has failed. */
bool attempt_send(struct attempt *attempt, int fd, const void *bytes, size_t count);
long attempt_receive(struct attempt *attempt, int fd, void *bytes, size_t room);

/* errno of connect, send, receive to the error of the contract: refused, unreachable, connect_timeout, protocol_error … */
bool attempt_fail_errno(struct attempt *attempt, int error, const char *doing);

/* The password: of passwordFile if given, else of the URL. False after it has failed (internal, with the file's name). */
bool attempt_password(struct attempt *attempt, char *out, size_t bytes);

#endif
