/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection for kinds that speak their protocol themselves: TCP or a unix socket, plain or TLS, each wait
 * within the attempt's deadline. TLS verifies the name and the chain unless `tlsVerify: false`; it may begin
 * late (NATS, after INFO). Compiled into the modules that need it: the prober itself links no TLS.
 *
 * Threads: the dependency's own. Failure: as attempt_send and attempt_receive, and tls_error. Memory:
 * tls_link_close frees all; a link that is all zero but fd = -1 (TLS_LINK_NONE) is closed.
 */
#ifndef LS_TLS_LINK_H
#define LS_TLS_LINK_H

#include "probe/attempt.h"

struct tls_link {
	int fd;    /* -1: closed */
	void *tls; /* struct ssl_st; NULL: plain */
};
#define TLS_LINK_NONE ((struct tls_link){.fd = -1})

/* Connects to at.host, or to the unix socket `path` when that is not NULL; no TLS yet. */
bool tls_link_open(struct tls_link *link, struct attempt *attempt, unsigned port, const char *path);

/* The handshake; the phase is TLS afterwards. */
bool tls_link_secure(struct tls_link *link, struct attempt *attempt);

/* All of it, unless the other side hung up, which receive will tell / at least one byte; 0 end of file, which
 * is no failure by itself (a reset is one), -1 after it has failed. */
bool tls_link_send(struct tls_link *link, struct attempt *attempt, const void *bytes, size_t count);
long tls_link_receive(struct tls_link *link, struct attempt *attempt, void *bytes, size_t room);

/* Has something been received that poll cannot see any more? */
bool tls_link_pending(const struct tls_link *link);

/* Sends nothing and waits for nothing. */
void tls_link_close(struct tls_link *link, struct attempt *attempt);

#endif
