/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes where a redis should be: what is let through to hiredis announces no more than is allowed, and the
 * same is let through however it is cut into pieces. Any text as `command`: as many words as RESP then says.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/kind_redis_gate.c" /* a module's, in none of the rooms */
#include "probe/kind_redis_words.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool pass_pieces(const char *bytes, size_t size, size_t piece)
{
	struct redis_gate gate = {0};

	for (size_t at = 0; at < size; at += piece)
		if (!redis_gate_pass(&gate, bytes + at, size - at < piece ? size - at : piece))
			return false;
	return true;
}

/* As hiredis reads: a line ends with CR LF, a text has as many bytes as its line says. */
static void check_announced(const char *bytes, size_t size)
{
	for (size_t at = 0; at < size;) {
		const char *end = memmem(bytes + at, size - at, "\r\n", 2);
		char line[64] = "";
		long long number;

		if (!end || !bytes[at] || !strchr("+-:$*", bytes[at]))
			return; /* not complete, or hiredis gives up here */
		(void)snprintf(line, sizeof line, "%.*s", (int)(end - bytes - (long)at),
			bytes + at); /* longer is no number */
		number = strtoll(line + 1, NULL, 10);
		if ((*line == '*' && number > REDIS_ELEMENTS) || (*line == '$' && number > REDIS_BYTES))
			abort();
		at = (size_t)(end - bytes) + 2;
		if (*line == '$' && number >= 0 && strspn(line + 1, "0123456789") == strlen(line + 1))
			at += (size_t)number + 2;
		else if (*line == '$' && strcmp(line, "$-1") != 0)
			return; /* and here */
	}
}

static void check_words(const char *text)
{
	int bytes = 0;
	char *command = redis_words_command(text, &bytes);
	unsigned long words;
	double number;

	(void)redis_words_number(text, &number); /* any */
	if (!command)
		return;
	words = strtoul(command + 1, NULL, 10);
	if (*command != '*' || words == 0 || words > REDIS_WORDS || (size_t)bytes != strlen(command))
		abort();
	if (!pass_pieces(command, (size_t)bytes, 1))
		abort();
	free(command);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *bytes = malloc(size + 1);
	bool whole;

	if (size)
		memcpy(bytes, data, size);
	bytes[size] = 0;
	whole = pass_pieces(bytes, size, size + 1);
	if (whole != pass_pieces(bytes, size, 1 + (size ? bytes[0] & 7 : 0)))
		abort();
	if (whole)
		check_announced(bytes, size);
	if (size < 1024)
		check_words(bytes);
	free(bytes);
	return 0;
}
