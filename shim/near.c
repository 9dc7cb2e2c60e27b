/* SPDX-License-Identifier: Apache-2.0 */
#include "near.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>

#include "raw.h"

#define LINK_BYTES 64
#define MEMORY "/memfd:lifesign (deleted)"

static const char *behind(const char *text, const char *word)
{
	for (; *text; text++) {
		size_t i = 0;

		while (word[i] && text[i] == word[i])
			i++;
		if (!word[i])
			return text + i;
	}
	return NULL;
}

/* The number that a text begins with, -1 without one; *text moves behind it. */
static int64_t take_number(const char **text, unsigned base)
{
	int64_t value = -1;

	for (;; (*text)++) {
		char c = **text;
		unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0') : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : base;

		if (digit >= base || value > INT64_MAX / 32)
			return value;
		value = (value < 0 ? 0 : value) * (int64_t)base + digit;
	}
}

static int64_t take_part(const char **text, char mark, unsigned base)
{
	if (!*text || **text != mark)
		return -1;
	(*text)++;
	return take_number(text, base);
}

void near_parse(const char *name, struct near_place *out)
{
	const char *pid = behind(name, "-segment-"), *tail = behind(name, "+");
	int64_t created;

	out->supervisor = pid ? (long)take_number(&pid, 10) : -1;
	out->filters = tail ? (long)take_number(&tail, 10) : 0;
	out->filters = out->filters < 0 ? 0 : out->filters;
	out->fd = (long)take_part(&tail, '.', 10);
	created = take_part(&tail, '.', 16);
	out->created = created < 0 ? 0 : (uint64_t)created;
}

static char *put_text(char *at, const char *text)
{
	while (*text)
		*at++ = *text++;
	return at;
}

static char *put_number(char *at, long value)
{
	char digits[24];
	unsigned count = 0;

	do
		digits[count++] = (char)('0' + value % 10);
	while ((value /= 10) > 0);
	while (count)
		*at++ = digits[--count];
	return at;
}

static bool link_says(const char *path, const char *expected)
{
	char link[LINK_BYTES];
	long length = RAW4(readlinkat, AT_FDCWD, path, link, sizeof(link));
	long i = 0;

	while (i < length && expected[i] && link[i] == expected[i])
		i++;
	return length > 0 && i == length && !expected[i];
}

/* Does /proc number processes as we do? If not, the supervisor's pid means another process in it. */
static bool proc_is_ours(void)
{
	char own[24];

	*put_number(own, RAW0(getpid)) = 0;
	return link_says("/proc/self", own);
}

long near_open(const struct near_place *place)
{
	char path[LINK_BYTES];

	if (place->supervisor <= 0 || place->fd < 0 || !place->created || !proc_is_ours())
		return -1;
	*put_number(put_text(put_number(put_text(path, "/proc/"), place->supervisor), "/fd/"), place->fd) = 0;
	if (!link_says(path, MEMORY)) /* never open what could be a device */
		return -1;
	return RAW4(openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC | O_NONBLOCK, 0);
}

uint64_t near_namespace(void)
{
	char link[LINK_BYTES] = {0};
	long length = RAW4(readlinkat, AT_FDCWD, "/proc/self/ns/pid", link, sizeof(link) - 1);
	const char *number = length > 0 ? behind(link, "pid:[") : NULL;
	int64_t inode = number ? take_number(&number, 10) : 0;

	return inode > 0 ? (uint64_t)inode : 0;
}
