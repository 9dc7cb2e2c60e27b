/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ${X}, ${X:-default} and $$ in the values of a configuration file, and where variables come from.
 * A lone $ is refused, not kept: it is a reference somebody misspelt more often than a price. It may as well stand in a
 * password: of what is refused only names of variables are told.
 */
#include "base/config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct expansion {
	const char *const *environment;
	char *out; /* CONFIG_TEXT bytes */
	size_t used;
	bool encode;
	char *why;
	size_t why_bytes;
};

static const char allowed[] = ", allowed: ${NAME}, ${NAME:-default}, or $$ for a $";

const char *config_variable(const char *const *environment, const char *name)
{
	size_t length = strlen(name);

	for (; environment && *environment; environment++)
		if (!strncmp(*environment, name, length) && (*environment)[length] == '=')
			return *environment + length + 1;
	return NULL;
}

static int refuse(struct expansion *expansion, const char *found, size_t length, const char *reason)
{
	(void)snprintf(expansion->why, expansion->why_bytes, "found '%.*s'%s", (int)length, found, reason); /* cut when long */
	return -EINVAL;
}

static int append(struct expansion *expansion, const char *text, size_t bytes)
{
	if (bytes >= CONFIG_TEXT - expansion->used)
		return refuse(expansion, "…", strlen("…"), ", longer than 4095 bytes in all");
	memcpy(expansion->out + expansion->used, text, bytes);
	expansion->used += bytes;
	expansion->out[expansion->used] = 0;
	return 0;
}

static int append_encoded(struct expansion *expansion, const char *text)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

	for (; *text; text++) {
		char code[4] = {*text};

		if (!strchr(plain, *text))
			(void)snprintf(code, sizeof(code), "%%%02X", (unsigned char)*text); /* fits */
		if (append(expansion, code, strlen(code)))
			return -EINVAL;
	}
	return 0;
}

static size_t name_length(const char *text)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";

	return *text >= '0' && *text <= '9' ? 0 : strspn(text, letters);
}

/* `at` is "${…"; *end becomes what follows the brace. */
static int expand_reference(struct expansion *expansion, const char *at, const char **end)
{
	size_t length = name_length(at + 2), shown = length < 64 ? length + 2 : 66;
	const char *rest = at + 2 + length, *brace = strchr(rest, '}'), *value;
	char name[128];

	if (!brace)
		return refuse(expansion, at, 2, allowed);
	if (!length || length >= sizeof(name) || (rest != brace && strncmp(rest, ":-", 2)))
		return refuse(expansion, at, shown, allowed);
	if (rest != brace && memchr(rest, '$', (size_t)(brace - rest)))
		return refuse(expansion, at, shown, ": a default cannot hold a $");
	memcpy(name, at + 2, length);
	name[length] = 0;
	value = config_variable(expansion->environment, name);
	*end = brace + 1;
	if (value && (*value || rest == brace))
		return expansion->encode ? append_encoded(expansion, value) : append(expansion, value, strlen(value));
	if (rest == brace)
		return refuse(expansion, at, shown + 1, ", but that variable is not set; allowed: a default, as in ${NAME:-default}");
	return append(expansion, rest + 2, (size_t)(brace - rest - 2));
}

static int expand(struct expansion *into, const char *text)
{
	struct expansion expansion = *into;

	*expansion.out = 0;
	while (*text) {
		size_t plain = strcspn(text, "$");

		if (append(&expansion, text, plain))
			return -EINVAL;
		text += plain;
		if (!*text)
			return 0;
		if (text[1] == '$') {
			if (append(&expansion, "$", 1))
				return -EINVAL;
			text += 2;
		} else if (text[1] != '{') {
			return refuse(&expansion, text, 1, allowed);
		} else if (expand_reference(&expansion, text, &text)) {
			return -EINVAL;
		}
	}
	return 0;
}

int config_expand(const char *text, const char *const *environment, char *out, char *why, size_t why_bytes)
{
	struct expansion expansion = {.environment = environment, .out = out, .why = why, .why_bytes = why_bytes};

	return expand(&expansion, text);
}

int config_expand_url(const char *text, const char *const *environment, char *out, char *why, size_t why_bytes)
{
	bool whole = text[0] == '$' && text[1] == '{' && strcspn(text, "}") + 1 == strlen(text);
	struct expansion expansion = {
		.environment = environment, .out = out, .why = why, .why_bytes = why_bytes, .encode = !whole};

	return expand(&expansion, text);
}
