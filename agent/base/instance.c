/* SPDX-License-Identifier: Apache-2.0 */
#include "base/instance.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

/* FNV-1a */
static uint32_t add(uint32_t hash, const char *text)
{
	do
		hash = (hash ^ (unsigned char)*text) * UINT32_C(0x01000193);
	while (*text++);
	return hash;
}

void instance_name(const char *service, char out[INSTANCE_NAME])
{
	char host[HOST_NAME_MAX + 1] = "";

	if (gethostname(host, sizeof host) < 0)
		host[0] = '\0'; /* the service's name alone then */
	host[HOST_NAME_MAX] = '\0';
	snprintf(out, INSTANCE_NAME, "%08x", add(add(UINT32_C(0x811c9dc5), service), host));
}
