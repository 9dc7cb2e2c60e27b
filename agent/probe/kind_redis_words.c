/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/kind_redis_words.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One word from *at to *out, both moved on: false when a quote stays open. */
static bool take_word(const char **at, char **out)
{
	char quote = 0;

	for (; **at && (quote || !isspace((unsigned char)**at)); (*at)++) {
		if (quote && **at == quote)
			quote = 0;
		else if (!quote && (**at == '"' || **at == '\''))
			quote = **at;
		else if (quote == '"' && **at == '\\' && (*at)[1])
			*(*out)++ = *++*at;
		else
			*(*out)++ = **at;
	}
	*(*out)++ = 0;
	return !quote;
}

static unsigned split(const char *line, char *room, const char *words[REDIS_WORDS])
{
	unsigned count = 0;

	for (;;) {
		while (isspace((unsigned char)*line))
			line++;
		if (!*line)
			return count;
		if (count == REDIS_WORDS)
			return 0;
		words[count++] = room;
		if (!take_word(&line, &room))
			return 0;
	}
}

char *redis_words_command(const char *line, int *bytes)
{
	size_t length = strlen(line), used;
	/* a word has its text, two CRLF, $ and digits; so has the head */
	char *room = malloc(length + 2), *out = malloc(length + (REDIS_WORDS + 1) * 32);
	const char *words[REDIS_WORDS];
	unsigned count = room && out ? split(line, room, words) : 0;

	if (count) {
		used = (size_t)sprintf(out, "*%u\r\n", count);
		for (unsigned i = 0; i < count; i++)
			used += (size_t)sprintf(out + used, "$%zu\r\n%s\r\n", strlen(words[i]), words[i]);
		*bytes = (int)used;
	} else {
		free(out);
		out = NULL;
	}
	free(room);
	return out;
}

bool redis_words_number(const char *text, double *out)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !isfinite(value))
		return false;
	*out = value;
	return true;
}
