/* SPDX-License-Identifier: Apache-2.0 */
#include "base/dependency_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/dependency_table.h"

int dependency_set_find(const struct dependency_set *set, const char *name)
{
	for (unsigned i = 0; i < set->count; i++)
		if (!strcmp(set->list[i].name, name))
			return (int)i;
	return -1;
}

bool dependency_set_needs_lookup(const struct dependency_set *set, const struct dependency *of)
{
	for (unsigned i = 0; i < of->need_count; i++)
		if (!strcmp(of->needs[i], DEPENDENCY_LOOKUP))
			return dependency_set_find(set, DEPENDENCY_LOOKUP) < 0;
	return false;
}

int dependency_set_group(const struct dependency_set *set, const char *name)
{
	for (unsigned i = 0; *name && i < set->group_count; i++)
		if (!strcmp(set->groups[i].name, name))
			return (int)i;
	return -1;
}

uint64_t dependency_identity(const struct dependency *of)
{
	struct dependency copy;
	const unsigned char *at = (const unsigned char *)&copy;
	uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

	memcpy(&copy, of, sizeof(copy)); /* with its padding, which is zero */
	copy.line = 0;
	copy.class = DEPENDENCY_SOFT;
	memset(copy.needs, 0, sizeof(copy.needs));
	copy.need_count = 0;
	memset(copy.group_name, 0, sizeof(copy.group_name));
	for (size_t i = 0; i < sizeof(copy); i++)
		hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
	return hash ? hash : 1;
}

bool dependency_set_check(const struct dependency_set *set, uint64_t bytes)
{
	if (bytes < sizeof(*set) || set->version != DEPENDENCY_SET_VERSION || set->bytes != bytes || set->count > DEPENDENCIES)
		return false;
	if (set->group_count > DEPENDENCY_GROUPS || bytes != sizeof(*set) + set->count * sizeof(struct dependency))
		return false;
	for (unsigned i = 0; i < set->count; i++)
		if (set->list[i].kind >= DEPENDENCY_KINDS)
			return false;
	return true;
}

struct dependency_set *dependency_set_of_url(const char *url, struct complaints *why)
{
	enum dependency_kind kind = dependency_kind_of_url(url);
	size_t bytes = sizeof(struct dependency_set) + sizeof(struct dependency);
	struct dependency_set *set = calloc(1, bytes);
	char reason[COMPLAINT_TEXT];

	if (!set)
		return NULL;
	*set = (struct dependency_set){.version = DEPENDENCY_SET_VERSION, .count = 1, .bytes = bytes, .epoch = 1};
	if (kind == DEPENDENCY_KINDS || strlen(url) >= sizeof(set->list[0].url)) {
		complaints_add(why, "no kind of dependency has a URL like that");
	} else if (dependency_parse_url(kind, url, &set->list[0].at, reason, sizeof(reason))) {
		complaints_add(why, "%s", reason);
	} else {
		set->list[0].kind = kind;
		set->list[0].tls_verify = true;
		strcpy(set->list[0].url, url); /* fits */
		if (kind == DEPENDENCY_DNS && *set->list[0].at.path) /* dns://SERVER/NAME: RFC 4501 */
			strcpy(set->list[0].ask, set->list[0].at.path + 1); /* the room is larger */
		(void)snprintf(set->list[0].name, sizeof(set->list[0].name), "%s", dependency_kinds[kind].name); /* fits */
		return set;
	}
	free(set);
	return NULL;
}

/* Does `of` need `whom`, through any number of hops? `seen` has a bit for each that was looked at. */
static bool reaches(const struct dependency_set *set, const struct dependency *of, const char *whom, uint8_t seen[DEPENDENCIES])
{
	for (unsigned i = 0; i < of->need_count; i++) {
		int next = dependency_set_find(set, of->needs[i]);

		if (!strcmp(of->needs[i], whom))
			return true;
		if (next < 0 || seen[next])
			continue;
		seen[next] = 1;
		if (reaches(set, &set->list[next], whom, seen))
			return true;
	}
	return false;
}

bool dependency_set_is_circle(const struct dependency_set *set, const struct dependency *of)
{
	uint8_t seen[DEPENDENCIES] = {0};

	return reaches(set, of, of->name, seen);
}
