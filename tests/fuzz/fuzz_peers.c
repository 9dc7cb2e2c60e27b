/* SPDX-License-Identifier: Apache-2.0 */
/* build: pkg=jansson */
/* What a sibling may answer to `peers`, and what a user may write as its host. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "probe/kind_peers.c" /* a module's, in none of the rooms */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct peer peer = {.answer = malloc(size + 1), .used = size}; /* of exact size: whoever reads behind it is caught */
	char *text = malloc(size + 1), *host;
	unsigned port;

	if (size)
		memcpy(peer.answer, data, size);
	read_answer(&peer);
	if (peer.failing && !peer.answered)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	split(text, &host, &port);
	if (host < text || host > text + size)
		abort();
	(void)is_number(host);
	free(text);
	free(peer.answer);
	return 0;
}
