/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a client of MySQL or MariaDB says who it is. Plugins: mysql_native_password, caching_sha2_password, and,
 * where nobody can listen, those that want the password itself. Threads: any. Failure: a length that says so.
 * Memory: none; what is made is the caller's, and secret.
 */
#ifndef LS_KIND_MYSQL_LOGIN_H
#define LS_KIND_MYSQL_LOGIN_H

#include "probe/kind_mysql_packet.h"

enum {
	MYSQL_REPLY = 4096,
	MYSQL_NO_PLUGIN = -1,  /* the plugin is unknown */
	MYSQL_NOT_PRIVATE = -2 /* it would send the password for everybody to read */
};

/* What the plugin of `greeting` answers to its scramble: bytes, or one of the above. */
int mysql_login_proof(
	const struct mysql_greeting *greeting, const char *password, bool is_private, uint8_t out[MYSQL_REPLY]);

/* The first half of a login, after which TLS begins: 32 bytes. */
size_t mysql_login_begin(uint32_t capabilities, uint8_t *out);

/* All of it. 0: it does not fit. */
size_t mysql_login_all(uint32_t capabilities, const char *user, const uint8_t *proof, size_t proof_bytes,
	const char *database, const char *plugin, uint8_t out[MYSQL_REPLY]);

#endif
