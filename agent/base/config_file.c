/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Brings a configuration file into memory after looking at what it is: a regular file, small enough, UTF-8.
 * The reader behind it then never blocks on a pipe and never sees another encoding.
 */
#include "base/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/utf8.h"

/* Bytes read, or -errno. */
static ssize_t read_all(int fd, char *out, size_t bytes)
{
	size_t used = 0;

	while (used < bytes) {
		ssize_t got = read(fd, out + used, bytes - used);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			break;
		used += (size_t)got;
	}
	return (ssize_t)used;
}

/* Bytes of the file in *out (to be freed), or -errno, or -EFBIG, or -ENOTSUP for what is no file. */
static ssize_t load(const char *path, char **out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	ssize_t bytes = fd < 0 ? -errno : 0;
	struct stat status;

	*out = NULL;
	if (fd < 0)
		return bytes;
	if (fstat(fd, &status))
		bytes = -errno;
	else if (!S_ISREG(status.st_mode))
		bytes = S_ISDIR(status.st_mode) ? -EISDIR : -ENOTSUP;
	else if (!(*out = malloc(CONFIG_BYTES + 1)))
		bytes = -ENOMEM;
	else
		bytes = read_all(fd, *out, CONFIG_BYTES + 1);
	(void)close(fd); /* was only read */
	return bytes > CONFIG_BYTES ? -EFBIG : bytes;
}

/* Line of the first byte that is not UTF-8 or a control character, 0 when there is none; *byte is that byte. */
static unsigned find_bad_byte(const char *text, size_t bytes, unsigned *byte)
{
	unsigned line = 1;

	for (size_t at = 0; at < bytes;) {
		size_t length = utf8_character(text + at, bytes - at);

		*byte = (unsigned char)text[at];
		if (!length || (*byte < 0x20 && !strchr("\t\n\r", (int)*byte)) || !*byte || *byte == 0x7f)
			return line;
		line += text[at] == '\n';
		at += length;
	}
	return 0;
}

static int complain_of_loading(const char *path, ssize_t error, struct complaints *why)
{
	if (error == -EFBIG)
		complaints_add(why, "%s: bigger than 1 MiB", path);
	else if (error == -ENOTSUP)
		complaints_add(why, "%s: not a regular file", path);
	else
		complaints_add(why, "%s: cannot be read (%s)", path, strerror((int)-error));
	return -EINVAL;
}

int config_read_file(
	const char *path, const char *const *environment, struct config_document *out, struct complaints *why)
{
	static const char mark[] = "\xef\xbb\xbf"; /* some editors' sign of UTF-8 */
	unsigned byte = 0, line;
	int result = -EINVAL;
	char *text;
	ssize_t bytes = load(path, &text);
	size_t skip;

	*out = (struct config_document){.name = path};
	if (bytes < 0) {
		free(text);
		return complain_of_loading(path, bytes, why);
	}
	skip = bytes >= 3 && !memcmp(text, mark, 3) ? 3 : 0;
	line = find_bad_byte(text, (size_t)bytes, &byte);
	if (line)
		complaints_add(why, "%s:%u: found byte 0x%02x, allowed: UTF-8 text", path, line, byte);
	else
		result = config_read_text(path, text + skip, (size_t)bytes - skip, environment, out, why);
	free(text);
	return result;
}
