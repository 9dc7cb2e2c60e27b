/* SPDX-License-Identifier: Apache-2.0 */
/* build: pkg=libmongoc-1.0 */
/* Any text as the url of a mongodb: read or refused with a reason, and no option of TLS is left to the library. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "probe/kind_mongodb_uri.c" /* a module's, in none of the rooms */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dependency of;
	static struct mongodb_uri uri;
	char why[128] = "";

	mongoc_log_set_handler(NULL, NULL); /* it would write to stderr */
	memset(&of, 0, sizeof of);
	memset(&uri, 0, sizeof uri);
	strcpy(of.url, "mongodb://");
	strncpy(of.url + 10, (const char *)data, size < sizeof of.url - 11 ? size : sizeof of.url - 11);
	if (!mongodb_uri_read(&uri, &of, why, sizeof why)) {
		if (!*why)
			abort();
		return 0;
	}
	if (mongoc_uri_get_tls(uri.uri) || mongoc_uri_get_password(uri.uri) || !uri.hosts)
		abort();
	if (strnlen(uri.of.ca_file, sizeof uri.of.ca_file) == sizeof uri.of.ca_file)
		abort();
	mongoc_uri_destroy(uri.uri);
	return 0;
}
