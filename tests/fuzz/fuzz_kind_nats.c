/* SPDX-License-Identifier: Apache-2.0 */
/* build: pkg=openssl pkg=jansson */
/* Any bytes where a NATS server should be, through INFO, TLS, CONNECT with each kind of identity, and a consumer. */
#include "fuzz/link.h"

#define json_object jansson_object /* as base/json.h has it, too; nobody calls jansson's */
#define json_array jansson_array
#define json_null jansson_null
#include "probe/kind_nats_wire.c" /* a module's, in none of the rooms */
#undef json_object
#undef json_array
#undef json_null
#include "probe/kind_nats.c"
#include "probe/kind_nats_key.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const secrets[] = {"", "kilimanjaro", "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY",
		"SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VX"};
	static struct dependency of;
	uint8_t how = size ? data[0] : 0;

	memset(&of, 0, sizeof of);
	strcpy(of.at.password, secrets[how & 3]);
	strcpy(of.at.user, how & 4 ? "app" : "");
	strcpy(of.topic, how & 8 ? "ORDERS" : "");
	strcpy(of.group, how & 8 ? "worker" : "");
	of.at.tls = how & 16;
	of.has_max = how & 32;
	if (size)
		ask_peer(&of, data + 1, size - 1, how & 64 ? 1 : size);
	return 0;
}
