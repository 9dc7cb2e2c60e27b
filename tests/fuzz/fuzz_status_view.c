/* SPDX-License-Identifier: Apache-2.0 */
/* Any JSON where a status should be: a page without control characters, never a crash or a leak. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/utf8.h"
#include "cli/status_view.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_page(const char *page, size_t bytes)
{
	for (size_t at = 0; at < bytes;) {
		size_t length = utf8_character(page + at, bytes - at);

		if (!length || (text_is_control(page + at, length) && page[at] != '\n'))
			abort();
		at += length;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct status_screen screen = {.columns = size ? 40 + data[0] : 80};
	json_t *document = json_loadb((const char *)data, size, JSON_DISABLE_EOF_CHECK, NULL);
	FILE *before = stdout;
	char *page = NULL;
	size_t bytes = 0;

	stdout = open_memstream(&page, &bytes);
	if (!stdout)
		abort();
	status_view_print(document, &screen);
	(void)status_view_is_well(document); /* any answer will do */
	(void)fclose(stdout);                /* to memory: cannot fail */
	stdout = before;
	check_page(page, bytes);
	free(page);
	json_decref(document);
	return 0;
}
