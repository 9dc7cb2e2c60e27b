/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection for kinds that speak their protocol themselves: TCP or a unix socket, plain or TLS, each wait
 * within the attempt's deadline. TLS verifies the name and the chain unless `tlsVerify: false`; it may begin
 * late (NATS, after INFO). Compiled into the modules that need it: the prober itself links no TLS.
 *
 * Threads: the dependency's own. Failure: as attempt_send and attempt_receive, and tls_error. Memory:
 * stream_close frees all; a stream that is all zero but fd = -1 (STREAM_NONE) is closed.
 */
#ifndef LS_PROBE_STREAM_H
#define LS_PROBE_STREAM_H

#include "probe/attempt.h"

struct stream {
	int fd;    /* -1: closed */
	void *tls; /* struct ssl_st; NULL: plain */
};
#define STREAM_NONE ((struct stream){.fd = -1})

/* Connects to at.host, or to the unix socket `path` when that is not NULL; no TLS yet. */
bool stream_open(struct stream *stream, struct attempt *attempt, unsigned port, const char *path);

/* The handshake; the phase is TLS afterwards. */
bool stream_secure(struct stream *stream, struct attempt *attempt);

/* All of it / at least one byte; 0 end of file, which is no failure by itself, -1 after it has failed. */
bool stream_send(struct stream *stream, struct attempt *attempt, const void *bytes, size_t count);
long stream_receive(struct stream *stream, struct attempt *attempt, void *bytes, size_t room);

/* Sends nothing and waits for nothing. */
void stream_close(struct stream *stream, struct attempt *attempt);

/* Has the other side ended a connection that was kept? A question on it would be lost. False for -1. */
bool stream_hung_up(int fd);

#endif
