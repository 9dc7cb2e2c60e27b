/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does the service's port take a connection? One attempt in flight, never waited for: started at one tick,
 * looked at in later ones. Loopback, IPv4 first, then IPv6.
 * Threads: the sampler.
 */
#ifndef LS_PORT_H
#define LS_PORT_H

#include <stdbool.h>
#include <stdint.h>

struct port_check {
	uint16_t port;
	int64_t period_ns;
	int fd;          /* -1: no attempt in flight */
	bool v6;         /* the present attempt */
	int64_t next;    /* CLOCK_BOOTTIME ns of the next attempt */
	int64_t started; /* of the present one */
	bool accepts;    /* result of the last finished attempt */
};

void port_start(struct port_check *check, uint16_t port, int64_t period_ns);
void port_tick(struct port_check *check, int64_t now);

#endif
