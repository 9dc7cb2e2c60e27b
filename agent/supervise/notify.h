/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sd_notify's side of NOTIFY_SOCKET: telling the manager about ourselves, or (relay.h) about the service.
 * Threads: the supervisor. Failure: -errno; without a manager nothing is said.
 */
#ifndef LS_NOTIFY_H
#define LS_NOTIFY_H

/* A socket to it: `manager` is the value of NOTIFY_SOCKET, "/path" or "@name". -errno. */
int notify_connect(const char *manager);

/* One message, "READY=1\n…"; `manager` NULL: there is none. A manager that does not take it is not waited for. */
void notify_say(const char *manager, const char *text);

#endif
