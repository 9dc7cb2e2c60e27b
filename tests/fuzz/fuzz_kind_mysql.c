/* SPDX-License-Identifier: Apache-2.0 */
/* build: pkg=openssl */
/* Any bytes where a mysql should be, through greeting, login, TLS, rows and all. The first byte says what is asked. */
#include "fuzz/link.h"

#include "probe/kind_mysql.c" /* a module's, in none of the rooms */
#include "probe/kind_mysql_packet.c"
#include "probe/kind_mysql_talk.c"
#define prove prove_who
#define put put_number
#include "probe/kind_mysql_login.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dependency of;
	uint8_t how = size ? data[0] : 0;

	dress(&of, how, "/orders", "SELECT 1");
	of.role = how & 64 ? ROLE_PRIMARY : ROLE_ANY;
	if (size)
		ask_peer(&of, data + 1, size - 1, how & 128 ? 1 : size);
	return 0;
}
