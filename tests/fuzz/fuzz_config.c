/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a configuration file: read, walked, refused or taken, never a crash, a leak or a hang. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/settings_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const environment[] = {
	"X=1", "LONG=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "E=", NULL};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	static struct settings settings;
	static struct complaints why;
	static char path[32];
	char *text = malloc(size + 1), out[CONFIG_TEXT], reason[256];

	if (fd < 0) {
		fd = memfd_create("config", MFD_CLOEXEC);
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd); /* fits */
	}
	if (fd < 0 || !text || ftruncate(fd, 0) || pwrite(fd, data, size, 0) != (ssize_t)size)
		abort();
	memset(&why, 0, sizeof(why));
	settings_set_defaults(&settings);
	settings_read_file(&settings, path, environment, &why);
	for (unsigned i = 0; i < why.count; i++)
		if (!*why.text[i] || strchr(why.text[i], '\n'))
			abort();
	memcpy(text, data, size);
	text[size] = 0;
	(void)config_expand(text, environment, out, reason, sizeof(reason)); /* either is fine */
	free(text);
	return 0;
}
