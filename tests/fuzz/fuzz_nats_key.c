/* SPDX-License-Identifier: Apache-2.0 */
/* build: pkg=openssl */
/* A nonce in the first line, and behind it any file where a seed or credentials should be. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "probe/kind_nats_key.c" /* a module's, in none of the rooms */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dependency of;
	char *text = malloc(size + 1), *secret, nonce[64];
	struct json json;
	struct buf line;

	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	snprintf(nonce, sizeof nonce, "%.*s", (int)strcspn(text, "\n"), text);
	secret = text + strcspn(text, "\n");
	secret += *secret == '\n';
	buf_start(&line, 1 << 16);
	json_start(&json, &line);
	json_object(&json, NULL);
	(void)write_secret(&of, secret, &json, nonce);
	json_object_end(&json);
	buf_free(&line);
	free(text);
	return 0;
}
