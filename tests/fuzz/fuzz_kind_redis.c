/* SPDX-License-Identifier: Apache-2.0 */
/* build: pkg=hiredis */
/* Any bytes where a redis should be, through login, cluster, role and a command. The first byte says what is asked. */
#include "fuzz/link.h"

#include "probe/kind_redis.c" /* a module's, in none of the rooms */
#include "probe/kind_redis_gate.c"
#include "probe/kind_redis_words.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dependency of;
	uint8_t how = size ? data[0] : 0;

	dress(&of, how, "/3", "LLEN jobs");
	of.role = how & 64 ? ROLE_REPLICA : ROLE_ANY;
	if (size)
		ask_peer(&of, data + 1, size - 1, how & 128 ? 1 : size);
	return 0;
}
