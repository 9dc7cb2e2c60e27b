/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection to a server of MySQL or MariaDB: packets, TLS, login, COM_QUIT.
 * Threads: the dependency's own. Failure: as attempt.h says; the caller closes then. Memory: one packet.
 */
#ifndef LS_KIND_MYSQL_TALK_H
#define LS_KIND_MYSQL_TALK_H

#include "probe/attempt.h"
#include "probe/kind_mysql_packet.h"
#include "probe/tls_link.h"

struct mysql_talk {
	struct tls_link link;
	const struct dependency *of;
	bool on_unix, let_in, is_mariadb;
	uint8_t sequence;
	size_t used, taken; /* of `in`: received; of the packet that is being looked at */
	uint8_t in[MYSQL_HEAD + MYSQL_PAYLOAD];
};

/* Connects anew and logs in. */
bool mysql_talk_open(struct mysql_talk *talk, struct attempt *attempt);

/* Says goodbye if it was let in; `attempt` may be NULL. */
void mysql_talk_close(struct mysql_talk *talk, struct attempt *attempt);

bool mysql_talk_command(struct mysql_talk *talk, struct attempt *attempt, uint8_t number, const char *text);

/* The next packet, at least one byte, which stays until the one after. */
bool mysql_talk_receive(struct mysql_talk *talk, struct attempt *attempt, struct mysql_bytes *out);

/* An error's own text, or that it is no answer to what was asked. Always false. */
bool mysql_talk_fail(struct attempt *attempt, struct mysql_bytes packet, const char *doing);

#endif
