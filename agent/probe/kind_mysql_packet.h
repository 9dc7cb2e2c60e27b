/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The packets of MySQL's and MariaDB's protocol: what a server says, read without trust.
 * Threads: any. Failure: false, when it is none or cut off. Memory: texts point into the packet.
 */
#ifndef LS_KIND_MYSQL_PACKET_H
#define LS_KIND_MYSQL_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/probe_wire.h"

enum { MYSQL_HEAD = 4, MYSQL_PAYLOAD = 1 << 16, MYSQL_SCRAMBLE = 20 };

enum mysql_capability {
	MYSQL_LONG_PASSWORD = 1,
	MYSQL_LONG_FLAG = 1 << 2,
	MYSQL_WITH_DATABASE = 1 << 3,
	MYSQL_PROTOCOL_41 = 1 << 9,
	MYSQL_TLS = 1 << 11,
	MYSQL_TRANSACTIONS = 1 << 13,
	MYSQL_SECURE = 1 << 15,
	MYSQL_PLUGINS = 1 << 19,
	MYSQL_ATTRIBUTES = 1 << 20,
};

struct mysql_bytes {
	const uint8_t *at;
	size_t left;
};

struct mysql_greeting {
	uint32_t capabilities;
	uint8_t scramble[MYSQL_SCRAMBLE];
	char plugin[32];
	bool is_mariadb;
};

struct mysql_error {
	unsigned code;
	enum probe_error error;
	char text[PROBE_DETAIL];
};

bool mysql_packet_greeting(struct mysql_bytes packet, struct mysql_greeting *out);

/* A packet that begins with 0xff. */
bool mysql_packet_error(struct mysql_bytes packet, struct mysql_error *out);

/* "Use that plugin instead", 0xfe; the scramble may be missing. */
bool mysql_packet_switch(struct mysql_bytes packet, struct mysql_greeting *out);

/* A number of one to nine bytes, moved past. */
bool mysql_packet_number(struct mysql_bytes *packet, uint64_t *out);

/* The next field of a row, moved past; cut to `bytes`, empty when it is NULL. */
bool mysql_packet_field(struct mysql_bytes *packet, char *out, size_t bytes);

bool mysql_packet_is_end(struct mysql_bytes packet);

#endif
