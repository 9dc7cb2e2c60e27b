/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening sockets of a network namespace with their accept queues, and the inodes of connections that
 * came in through given ports, from the kernel's sock_diag (man 7 sock_diag; only another namespace needs rights).
 * For listening TCP sockets idiag_rqueue is the present accept queue and idiag_wqueue the backlog.
 * Threads: the sampler. Failure: -errno; without sock_diag there are no listeners to show.
 */
#ifndef LS_SOCK_DIAG_H
#define LS_SOCK_DIAG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { SOCK_DIAG_LISTENERS = 8192, SOCK_DIAG_ADDRESS = 64, SOCK_DIAG_INBOUND = 4096 };

struct diag_listener {
	uint64_t inode;
	uint32_t queue, backlog;
	uint16_t port; /* 0 for unix sockets */
	char address[SOCK_DIAG_ADDRESS];
};

/* A socket to ask the network namespace of `pid`, or our own with 0; the descriptor or -errno (-EPERM without
 * CAP_SYS_ADMIN). */
int sock_diag_open(pid_t pid);

/* All stream listeners, TCP and unix; the count or -errno. */
int sock_diag_listeners(int fd, struct diag_listener *out, unsigned max);

/* A connected socket. `state` is the kernel's number for TCP (tcp_states.h: 1 established, 2 syn sent, 8 close wait). */
struct diag_connection {
	uint64_t inode;
	uint64_t peer;            /* socket inode of the other end where it is on this machine and known, else 0 */
	uint32_t unread, unsent;  /* bytes */
	uint8_t state;
	bool is_unix;
	bool is_named;            /* unix: has an address, as the accepted end has and the connecting one as a rule has not */
	uint16_t local_port, remote_port; /* 0 for unix sockets */
	unsigned char local[16], remote[16]; /* IPv6, or IPv4 mapped into it */
};

/* All connected TCP and unix sockets; the count or -errno. Both ends of a loopback connection know each other. */
int sock_diag_connections(int fd, struct diag_connection *out, unsigned max);

/* "192.0.2.7:5432", "[2001:db8::1]:443", "unix" */
void sock_diag_remote_text(const struct diag_connection *connection, char *out, unsigned bytes);

/* Inodes of established TCP sockets whose local port is `port`; the count or -errno. */
int sock_diag_inbound(int fd, uint16_t port, uint64_t *inodes, unsigned max);

#endif
