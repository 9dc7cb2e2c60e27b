/* SPDX-License-Identifier: Apache-2.0 */
/* How each type of setting is written, and what is said when it is written wrongly. */
#include "base/settings_table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/text.h"
#include "base/utf8.h"

static const char *const switches[] = {"false", "true", NULL};
static const char *const debugs[] = {"false", "true", "all", NULL};

static void *field(const struct setting *row, struct settings *settings)
{
	return (char *)settings + row->offset;
}

/* "a, b or c" */
static void join(const char *const *words, char *out, size_t bytes)
{
	size_t used = 0;

	for (; *words; words++)
		used += (size_t)snprintf(out + used, bytes - used, "%s%s",
			!used      ? ""
			: words[1] ? ", "
				   : " or ",
			*words);
}

void setting_allowed(const struct setting *row, char *out, size_t bytes)
{
	switch (row->type) {
	case SETTING_SWITCH:
	case SETTING_OBSERVE: join(switches, out, bytes); break;
	case SETTING_DEBUG: join(debugs, out, bytes); break;
	case SETTING_ENUM: join(row->words, out, bytes); break;
	case SETTING_SECONDS: snprintf(out, bytes, "seconds from %g to %g", row->least, row->most); break;
	case SETTING_SHARE: snprintf(out, bytes, "a share from %g to %g", row->least, row->most); break;
	case SETTING_COUNT:
	case SETTING_SLOTS:
		snprintf(out, bytes, "a whole number from %.0f to %.0f", row->least, row->most);
		break;
	case SETTING_PORT:
		snprintf(out, bytes, "a port from %.0f to %.0f, or none", row->least, row->most);
		break;
	case SETTING_NAME:
		snprintf(out, bytes, "1 to %zu letters, digits and . _ - + @, starting with a letter or digit",
			row->bytes - 1);
		break;
	case SETTING_TEXT: snprintf(out, bytes, "text of 1 to %zu bytes", row->bytes - 1); break;
	case SETTING_LISTEN:
		snprintf(out, bytes, "a list of 1 to %d of " ADDRESS_ALLOWED, SETTINGS_LISTENS);
		break;
	case SETTING_COMMAND: snprintf(out, bytes, "a list of 1 to %d words", SETTINGS_COMMAND); break;
	}
}

static int refuse(const struct setting *row, const char *text, char *why, size_t why_bytes)
{
	char allowed[160];

	setting_allowed(row, allowed, sizeof(allowed));
	if (*text)
		(void)snprintf(
			why, why_bytes, "found '%.100s', allowed: %s", text, allowed); /* cut when too long */
	else
		(void)snprintf(why, why_bytes, "found nothing, allowed: %s", allowed);
	return -EINVAL;
}

/* Index of the word, or -1. */
static int find_word(const char *const *words, const char *text)
{
	for (int i = 0; words[i]; i++)
		if (!strcmp(words[i], text))
			return i;
	return -1;
}

static int set_word(
	const struct setting *row, struct settings *settings, const char *const *words, const char *text)
{
	int word = find_word(words, text);

	if (word < 0)
		return -EINVAL;
	if (row->type == SETTING_DEBUG) {
		settings->debug = word > 0;
		settings->debug_all = word > 1;
	} else if (row->type == SETTING_SWITCH) {
		*(bool *)field(row, settings) = word;
	} else {
		memcpy(field(row, settings), &(unsigned){(unsigned)word}, sizeof(unsigned)); /* an enum */
	}
	return 0;
}

/* Plain decimals only: no signs, exponents, hex or units. */
static int parse_number(const struct setting *row, const char *text, const char *characters, double *out)
{
	char *end;
	double number;

	if (!*text || strspn(text, characters) != strlen(text))
		return -EINVAL;
	number = strtod(text, &end);
	if (*end || number < row->least || number > row->most)
		return -EINVAL;
	*out = number;
	return 0;
}

static int set_seconds(const struct setting *row, struct settings *settings, const char *text)
{
	return parse_number(row, text, "0123456789.", field(row, settings));
}

static int set_count(const struct setting *row, struct settings *settings, const char *text)
{
	double number;
	unsigned count;

	if (parse_number(row, text, "0123456789", &number))
		return -EINVAL;
	count = (unsigned)number;
	while (row->type == SETTING_SLOTS && (count & (count - 1)))
		count += count & -count; /* adds the lowest bit until one is left */
	*(unsigned *)field(row, settings) = count;
	return 0;
}

static int set_port(const struct setting *row, struct settings *settings, const char *text)
{
	if (!strcmp(text, "none")) {
		settings->startup.port_mode = STARTUP_PORT_NONE;
		settings->startup.port = 0;
		return 0;
	}
	if (set_count(row, settings, text))
		return -EINVAL;
	settings->startup.port_mode = STARTUP_PORT_NUMBER;
	return 0;
}

static bool is_line(const char *text)
{
	for (size_t left = strlen(text), bytes; left; text += bytes, left -= bytes) {
		bytes = utf8_character(text, left);
		if (!bytes || text_is_control(text, bytes))
			return false;
	}
	return true;
}

/* Bytes behind the text become zero, so that two settings can be compared. */
static int copy(char *out, size_t bytes, const char *text)
{
	if (!*text || strlen(text) >= bytes || !is_line(text))
		return -EINVAL;
	strncpy(out, text, bytes);
	return 0;
}

static bool is_letter_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static int set_name(const struct setting *row, struct settings *settings, const char *text)
{
	for (const char *at = text; *at; at++)
		if (!is_letter_or_digit(*at) && (at == text || !strchr("._-+@", *at)))
			return -EINVAL;
	return copy(field(row, settings), row->bytes, text);
}

/* In a variable a list is separated by commas. */
static int set_list(
	const struct setting *row, struct settings *settings, const char *text, char *why, size_t why_bytes)
{
	struct settings next = *settings;
	char words[SETTINGS_LISTENS * SETTINGS_TEXT + SETTINGS_LISTENS], *rest = words;

	if (strlen(text) >= sizeof(words))
		return refuse(row, text, why, why_bytes);
	strcpy(words, text); /* fits */
	setting_clear(row, &next);
	while (rest) {
		const char *word = strsep(&rest, ",");

		if (setting_add(row, &next, word + strspn(word, " "), why, why_bytes))
			return -EINVAL;
	}
	*settings = next;
	return 0;
}

int setting_set(
	const struct setting *row, struct settings *settings, const char *text, char *why, size_t why_bytes)
{
	int result = -EINVAL;

	switch (row->type) {
	case SETTING_SWITCH:
	case SETTING_OBSERVE: result = set_word(row, settings, switches, text); break;
	case SETTING_DEBUG: result = set_word(row, settings, debugs, text); break;
	case SETTING_ENUM: result = set_word(row, settings, row->words, text); break;
	case SETTING_SECONDS:
	case SETTING_SHARE: result = set_seconds(row, settings, text); break;
	case SETTING_COUNT:
	case SETTING_SLOTS: result = set_count(row, settings, text); break;
	case SETTING_PORT: result = set_port(row, settings, text); break;
	case SETTING_NAME: result = set_name(row, settings, text); break;
	case SETTING_TEXT: result = copy(field(row, settings), row->bytes, text); break;
	case SETTING_LISTEN:
	case SETTING_COMMAND: return set_list(row, settings, text, why, why_bytes);
	}
	return result ? refuse(row, text, why, why_bytes) : 0;
}

void setting_clear(const struct setting *row, struct settings *settings)
{
	memset(field(row, settings), 0, row->bytes);
	*(row->type == SETTING_LISTEN ? &settings->listens : &settings->liveness.on_dead_words) = 0;
}

int setting_add(
	const struct setting *row, struct settings *settings, const char *text, char *why, size_t why_bytes)
{
	bool is_listen = row->type == SETTING_LISTEN;
	unsigned *count = is_listen ? &settings->listens : &settings->liveness.on_dead_words;
	char(*list)[SETTINGS_TEXT] = field(row, settings);
	struct address address;

	if (*count == row->bytes / SETTINGS_TEXT || strlen(text) >= SETTINGS_TEXT)
		return refuse(row, text, why, why_bytes);
	if (is_listen && address_parse(text, &address, why, why_bytes))
		return -EINVAL;
	if (copy(list[*count], SETTINGS_TEXT, text))
		return refuse(row, text, why, why_bytes);
	++*count;
	return 0;
}
