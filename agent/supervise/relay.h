/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NOTIFY_SOCKET: passes the service's messages on to its manager, descriptors included, in our name: to
 * systemd we are the main process and must stay it, or drain and exit status would be lost.
 * Threads: the supervisor; one message is held while the manager does not take it, the service's own queue
 * holds the next. Failure: without a relay NOTIFY_SOCKET stays as it was.
 */
#ifndef LS_RELAY_H
#define LS_RELAY_H

#include <stdbool.h>
#include <sys/types.h>

#include "supervise/kin.h"
#include "supervise/names.h"

/* What systemd takes: more than a page is refused there; more descriptors the kernel does not send. */
enum { RELAY_BYTES = 4096, RELAY_FDS = 253 };

struct relay {
	int fd; /* from the service; -1: no relay */
	int manager;
	char name[NAME_BYTES];
	pid_t self;
	const struct kin_helpers *helpers;
	bool held; /* a message waits for the manager */
	size_t bytes;
	unsigned fd_count;
	int fds[RELAY_FDS];
	char text[RELAY_BYTES];
};

/* `manager` is the value of NOTIFY_SOCKET: "/path" or "@name". */
int relay_open(struct relay *out, const char *manager, const struct kin_helpers *helpers);

/* Moves what can be moved, a bounded number of messages. */
void relay_serve(struct relay *relay);

/* In a child that is none of the relay's business. */
void relay_leave(struct relay *relay);

/* What is still there, at the end of the service. */
void relay_finish(struct relay *relay);

/* The message as the manager shall see it: MAINPID is ours. Returns its size, at most `room`. */
size_t relay_rewrite(const char *text, size_t bytes, pid_t self, char *out, size_t room);

#endif
