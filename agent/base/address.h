/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses as users write them: ADDR:PORT, [v6]:PORT, :PORT (every address) and unix:/path.
 * ADDR is a number or `localhost`: a name would have to be looked up, and that can hang.
 * Threads: any. Failure: -EINVAL and a sentence that says what is allowed. Memory: none.
 */
#ifndef LS_ADDRESS_H
#define LS_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

struct address {
	struct sockaddr_storage socket; /* AF_INET, AF_INET6 or AF_UNIX */
	socklen_t bytes;
	bool any; /* :PORT: AF_INET6 [::], to be opened for IPv4 too (or 0.0.0.0 where IPv6 is off) */
};

#define ADDRESS_ALLOWED "ADDR:PORT, [v6]:PORT, :PORT or unix:/path"

/* 0 or -EINVAL; then `why` (may be NULL) says what is wrong with it. Port 0: the kernel picks one. */
int address_parse(const char *text, struct address *out, char *why, size_t why_bytes);

bool address_is_loopback(const struct address *address);

#endif
