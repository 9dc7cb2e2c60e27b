/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes where a memcached should be, through its login and its stats. The first byte says what is asked. */
#include "fuzz/link.h"

#include "probe/kind_memcached.c" /* a module's, in none of the rooms */
#include "probe/kind_memcached_answer.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dependency of;
	uint8_t how = size ? data[0] : 0;

	dress(&of, how, "", "items items:1:number");
	if (how & 4)
		strcpy(of.ask, "curr_items");
	if (size)
		ask_peer(&of, data + 1, size - 1, how & 64 ? 1 : size);
	return 0;
}
