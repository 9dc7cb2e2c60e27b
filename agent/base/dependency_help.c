/* SPDX-License-Identifier: Apache-2.0 */
/* What the tables of dependencies say about themselves, as a part of configuration.md. */
#include "base/dependency_table.h"

#include <stdio.h>

enum { ALL_KINDS = (1 << DEPENDENCY_PEERS) - 1 };

static void print_kinds(void)
{
	printf("| kind | URL | asks |\n|---|---|---|\n");
	for (unsigned i = 0; i < DEPENDENCY_PEERS; i++) {
		const struct dependency_kind_row *row = &dependency_kinds[i];

		printf("| `%s` |", row->name);
		for (unsigned s = 0; s < DEPENDENCY_SCHEMES && row->schemes[s].name; s++) {
			printf("%s `%s://`", s ? "," : "", row->schemes[s].name);
			if (row->schemes[s].port)
				printf(" (%u)", row->schemes[s].port);
		}
		printf("%s | %s |\n", row->without_url ? " none" : "", row->asks);
	}
}

static void print_allowed(const struct dependency_key *key)
{
	static const char *const texts[] = {[KEY_TEXT] = "text", [KEY_FILE] = "a file that can be read",
		[KEY_SWITCH] = "true or false", [KEY_SECONDS] = "seconds from 0 to 3600", [KEY_NUMBER] = "a number",
		[KEY_NAMES] = "a name, or a list of up to 8", [KEY_STATUSES] = "200, \"200-299\", or a list of up to 8",
		[KEY_COMMAND] = "a line; exec: a list of words", [KEY_PATTERN] = "an extended regular expression",
		[KEY_POINTER] = "RFC 6901"};

	if (key->type != KEY_WORD) {
		printf("%s", texts[key->type]);
		return;
	}
	for (unsigned i = 0; key->words && key->words[i]; i++)
		printf("%s`%s`", i ? ", " : "", key->words[i]);
	if (!key->words)
		printf("a kind");
}

static void print_who(unsigned kinds)
{
	bool first = true;

	if (kinds == ALL_KINDS) {
		printf("all");
		return;
	}
	for (unsigned i = 0; i < DEPENDENCY_PEERS; i++) {
		if (!(kinds & 1U << i))
			continue;
		printf("%s%s", first ? "" : ", ", dependency_kinds[i].name);
		first = false;
	}
}

static void print_keys(void)
{
	printf("\n| key | kinds | allowed | what it is |\n|---|---|---|---|\n");
	for (unsigned i = 0; i < dependency_key_count; i++) {
		printf("| `%s` | ", dependency_keys[i].name);
		print_who(dependency_keys[i].kinds);
		printf(" | ");
		print_allowed(&dependency_keys[i]);
		printf(" | %s |\n", dependency_keys[i].help);
	}
}

void dependency_print_reference(void)
{
	printf("\n## Dependencies\n\n"
	       "`dependencies` is a list of up to %d, each with a `name` (its check in readyz) and a `url` or `command`; the\n"
	       "`kind` may be left out where the URL's scheme says it. Ports in brackets are the defaults. Values of variables\n"
	       "are percent-encoded inside a `url`, unless the variable is the whole URL. Keys of another kind are errors.\n"
	       "`groups: {NAME: {atLeast: N}}`: while N members of the group are up, the others only degrade.\n\n",
		DEPENDENCIES);
	print_kinds();
	print_keys();
}
