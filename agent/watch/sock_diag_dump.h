/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One dump of the kernel's sock_diag, row by row: what the two halves of sock_diag.h share.
 * Threads: the sampler. Failure: -errno.
 */
#ifndef LS_SOCK_DIAG_DUMP_H
#define LS_SOCK_DIAG_DUMP_H

#include <stddef.h>
#include <stdint.h>

struct nlmsghdr;
struct rtattr;

/* Where the rows of a dump go. */
struct sock_diag_dump {
	int fd;
	void (*row)(struct sock_diag_dump *dump, const struct nlmsghdr *message);
	void *rows;
	unsigned count, max;
	uint16_t port; /* TCP: only sockets of this local port; 0 = all */
};

/* `states`: a bit for each TCP state; `show`: UDIAG_SHOW_… of linux/unix_diag.h. */
int sock_diag_dump_inet(struct sock_diag_dump *dump, unsigned char family, uint32_t states);
int sock_diag_dump_unix(struct sock_diag_dump *dump, uint32_t states, uint32_t show);

/* An attribute behind a row's `fixed` bytes, NULL without it. */
const struct rtattr *sock_diag_attribute(const struct nlmsghdr *message, size_t fixed, unsigned short type);

#endif
