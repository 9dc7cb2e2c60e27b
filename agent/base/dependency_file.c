/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `dependencies` and `groups` of the file: config.c's tree along the tables of dependency_kinds.c, all faults in one run.
 */
#include "base/dependency_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/dependency_table.h"
#include "base/text.h"

/* Checks of readyz that are there already. */
static const char *const taken_names[] = {"exited", "deadlock", "orphaned_lock", "loop_blocked", "loop_spinning", "pool_exhausted",
	"no_progress", "idle_with_backlog", "dependency_wait", "io_wait", "suspended", "frozen", "core_dump", "starting",
	"start_timeout", "draining", "maintenance", "dependency_down", "queue_full", "memory_pressure", "thread_leak",
	"fd_exhaustion", "stale", "traced", "starved", "paused", "fail_open", "agent", "readyz", "livez", "startupz", "verbose",
	"exclude", "peers"};

struct walk {
	const char *file;
	struct complaints *why;
	struct dependency_set *set;
};

static void complain(struct walk *walk, unsigned line, const struct dependency *of, const char *key, const char *reason)
{
	complaints_add(walk->why, "%s:%u: dependency%s%s%s%s%s: %s", walk->file, line, *of->name ? " '" : "", of->name,
		*of->name ? "'" : "", key ? ": " : "", key ? key : "", reason);
}

static const struct config_node *find(const struct config_node *map, const char *key)
{
	const struct config_node *node = map->first;

	while (node && strcmp(node->key, key))
		node = node->next;
	return node;
}

static bool is_text(const struct config_node *node)
{
	return node && node->kind == CONFIG_SCALAR && !node->wrong && !config_is_null(node);
}

static const struct dependency_key *find_key(const char *name, unsigned kind)
{
	for (unsigned i = 0; i < dependency_key_count; i++)
		if (!strcmp(dependency_keys[i].name, name) && dependency_keys[i].kinds & 1U << kind)
			return &dependency_keys[i];
	return NULL;
}

static void complain_of_key(struct walk *walk, const struct config_node *node, const struct dependency *of)
{
	struct text_nearest nearest = {.word = node->key};
	char reason[COMPLAINT_TEXT], allowed[COMPLAINT_TEXT / 2] = "";
	size_t used = 0;

	for (unsigned i = 0; i < dependency_key_count; i++) {
		if (!(dependency_keys[i].kinds & 1U << of->kind))
			continue;
		text_offer(&nearest, dependency_keys[i].name);
		if (used < sizeof(allowed))
			used += (size_t)snprintf(
				allowed + used, sizeof(allowed) - used, "%s%s", used ? ", " : "", dependency_keys[i].name);
	}
	(void)snprintf(reason, sizeof(reason), "found key '%.64s'%s%s%s, allowed for kind %s: %s", node->key,
		nearest.best ? " (did you mean '" : "", nearest.best ? nearest.best : "", nearest.best ? "'?)" : "",
		dependency_kinds[of->kind].name, allowed); /* cut when long */
	complain(walk, node->line, of, NULL, reason);
}

/* By `kind`, else by the scheme of `url`; false after a complaint. */
static bool take_kind(struct walk *walk, const struct config_node *map, struct dependency *out)
{
	const struct dependency_key *key = find_key("kind", 0);
	const struct config_node *kind = find(map, "kind"), *url = find(map, "url");
	char reason[COMPLAINT_TEXT];
	enum dependency_kind guessed;

	if (kind && kind->wrong)
		return false;
	if (kind) {
		if (!dependency_take(out, key, kind, reason, sizeof(reason)))
			return true;
		complain(walk, kind->line, out, "kind", reason);
		return false;
	}
	if (url && url->wrong)
		return false;
	guessed = is_text(url) ? dependency_kind_of_url(url->text) : DEPENDENCY_KINDS;
	if (guessed >= DEPENDENCY_PEERS) {
		dependency_tell_kinds(is_text(url) ? url->text : "", reason, sizeof(reason));
		complain(walk, url ? url->line : map->line, out, NULL, reason);
		return false;
	}
	out->kind = guessed;
	return true;
}

static bool is_name(const char *name)
{
	static const char fit[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	return *name && strlen(name) < DEPENDENCY_NAME && !strchr("._-", *name) && strspn(name, fit) == strlen(name);
}

static void take_name(struct walk *walk, const struct config_node *map, struct dependency *out)
{
	const struct config_node *node = find(map, "name");
	char reason[COMPLAINT_TEXT];
	int other;

	if (!node || !is_text(node)) {
		if (!node || !node->wrong)
			complain(walk, map->line, out, NULL, "key 'name' is missing");
		return;
	}
	if (!is_name(node->text)) {
		(void)snprintf(reason, sizeof(reason),
			"found '%.64s', allowed: 1 to 63 letters, digits and . _ -, starting with a letter or digit", node->text);
		complain(walk, node->line, out, "name", reason);
		return;
	}
	other = dependency_set_find(walk->set, node->text);
	strcpy(out->name, node->text); /* fits */
	if (other >= 0) {
		(void)snprintf(reason, sizeof(reason), "found twice, first in line %u", walk->set->list[other].line);
		complain(walk, node->line, out, "name", reason);
	}
	for (size_t i = 0; i < sizeof(taken_names) / sizeof(*taken_names); i++)
		if (!strcmp(taken_names[i], out->name))
			complain(walk, node->line, out, "name", "is a check of readyz already, allowed: another name");
}

static void take_keys(struct walk *walk, const struct config_node *map, struct dependency *out)
{
	for (const struct config_node *node = map->first; node; node = node->next) {
		const struct dependency_key *key = find_key(node->key, out->kind);
		char reason[COMPLAINT_TEXT];

		if (!strcmp(node->key, "name") || !strcmp(node->key, "kind") || (key && node->wrong))
			continue;
		if (!key)
			complain_of_key(walk, node, out);
		else if (dependency_take(out, key, node, reason, sizeof(reason)))
			complain(walk, node->line, out, key->name, reason);
	}
}

static void take_url(struct walk *walk, const struct config_node *map, struct dependency *out)
{
	const struct config_node *node = find(map, "url");
	char reason[COMPLAINT_TEXT];

	if (dependency_kinds[out->kind].without_url || (node && (node->wrong || !*out->url)))
		return; /* was complained of */
	if (!node)
		complain(walk, map->line, out, NULL, "key 'url' is missing");
	else if (dependency_parse_url(out->kind, out->url, &out->at, reason, sizeof(reason)))
		complain(walk, node->line, out, "url", reason);
}

/* What one key asks of another. */
static void check_pairs(struct walk *walk, const struct config_node *map, const struct dependency *of)
{
	static const struct {
		const char *key, *needs;
		unsigned kinds;
	} rows[] = {{"certFile", "keyFile", ~0U}, {"keyFile", "certFile", ~0U}, {"produce", "topic", ~0U},
		{"consumerGroup", "topic", ~0U}, {"consumer", "stream", ~0U}, {"stream", "consumer", ~0U},
		{"kind", "command", 1U << DEPENDENCY_EXEC}, {"kind", "query", 1U << DEPENDENCY_DNS}};
	const char *number = dependency_kinds[of->kind].number;
	char reason[96];

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct config_node *node = find(map, rows[i].key);

		if (!node || find(map, rows[i].needs) || !(rows[i].kinds & 1U << of->kind))
			continue;
		(void)snprintf(reason, sizeof(reason), "key '%s' is missing beside it", rows[i].needs);
		complain(walk, node->line, of, rows[i].key, reason);
	}
	if (of->has_min && of->has_max && of->min > of->max)
		complain(walk, map->line, of, NULL, "min is bigger than max");
	else if ((of->has_min || of->has_max || of->work) && number && !find(map, number)) {
		(void)snprintf(reason, sizeof(reason), "min, max and work need the key '%s'", number);
		complain(walk, map->line, of, NULL, reason);
	}
}

static void take_dependency(struct walk *walk, const struct config_node *map)
{
	struct dependency *out = &walk->set->list[walk->set->count];
	const char *key, *allowed;

	if (map->kind != CONFIG_MAP) {
		if (!map->wrong)
			complaints_add(walk->why, "%s:%u: dependencies: allowed: a list of {name: …, kind: …, url: …}", walk->file,
				map->line);
		return;
	}
	out->line = map->line;
	out->tls_verify = true;
	take_name(walk, map, out);
	if (take_kind(walk, map, out)) {
		take_keys(walk, map, out);
		take_url(walk, map, out);
		check_pairs(walk, map, out);
		if ((key = dependency_broken_rule(out, &allowed)))
			complain(walk, find(map, key)->line, out, key, allowed);
	}
	walk->set->count++;
}

/* ---- what they say of each other ---- */

static void check_needs(struct walk *walk, const struct dependency *of)
{
	char reason[160];

	for (unsigned i = 0; i < of->need_count; i++) {
		if (dependency_set_find(walk->set, of->needs[i]) >= 0 || !strcmp(of->needs[i], DEPENDENCY_LOOKUP))
			continue;
		(void)snprintf(reason, sizeof(reason), "there is no dependency '%s'", of->needs[i]);
		complain(walk, of->line, of, "needs", reason);
	}
}

static void check_circles(struct walk *walk)
{
	for (unsigned i = 0; i < walk->set->count; i++) {
		const struct dependency *of = &walk->set->list[i];

		if (*of->name && dependency_set_is_circle(walk->set, of)) {
			complain(walk, of->line, of, "needs", "leads back to itself");
			return; /* the others of the circle would say the same */
		}
	}
}

static void take_group(struct walk *walk, const struct config_node *node)
{
	struct dependency_group *out = &walk->set->groups[walk->set->group_count];
	const struct config_node *least = node->kind == CONFIG_MAP ? find(node, "atLeast") : NULL;
	const char *found = is_text(least) ? least->text : "nothing";
	unsigned long number = strspn(found, "0123456789") == strlen(found) ? strtoul(found, NULL, 10) : 0;

	if (node->wrong)
		return;
	if (!number || number > DEPENDENCIES || node->first->next) {
		complaints_add(walk->why, "%s:%u: groups: '%.64s': atLeast: found '%.64s', allowed: {atLeast: N}, N from 1 to %d", walk->file,
			node->line, node->key, found, DEPENDENCIES);
		number = 0; /* taken all the same: its members are not to blame */
	}
	if (walk->set->group_count < DEPENDENCY_GROUPS && strlen(node->key) < DEPENDENCY_NAME) {
		*out = (struct dependency_group){.at_least = (unsigned)number, .line = node->line};
		strcpy(out->name, node->key); /* fits */
		walk->set->group_count++;
	} else
		complaints_add(walk->why, "%s:%u: groups: '%.64s': allowed: at most %d groups, names of at most %d bytes", walk->file,
			node->line, node->key, DEPENDENCY_GROUPS, DEPENDENCY_NAME - 1);
}

static void take_groups(struct walk *walk, const struct config_node *groups)
{
	if (groups->kind != CONFIG_MAP && !config_is_null(groups))
		complaints_add(walk->why, "%s:%u: groups: allowed: NAME: {atLeast: N}", walk->file, groups->line);
	for (const struct config_node *node = groups->kind == CONFIG_MAP ? groups->first : NULL; node; node = node->next)
		take_group(walk, node);
}

static void check_groups(struct walk *walk)
{
	unsigned members[DEPENDENCY_GROUPS] = {0};

	for (unsigned i = 0; i < walk->set->count; i++) {
		const struct dependency *of = &walk->set->list[i];
		int group = dependency_set_group(walk->set, of->group_name);

		if (group >= 0)
			members[group]++;
		else if (*of->group_name)
			complain(walk, of->line, of, "group", "is none of `groups`");
	}
	for (unsigned i = 0; i < walk->set->group_count; i++)
		if (members[i] < walk->set->groups[i].at_least)
			complaints_add(walk->why, "%s:%u: groups: '%s' has %u members, fewer than its atLeast", walk->file,
				walk->set->groups[i].line, walk->set->groups[i].name, members[i]);
}

/* ---- all of it ---- */

static unsigned count_items(const struct config_node *list)
{
	unsigned count = 0;

	for (const struct config_node *node = list && list->kind == CONFIG_LIST ? list->first : NULL; node; node = node->next)
		count++;
	return count;
}

static struct dependency_set *make(unsigned count)
{
	size_t bytes = sizeof(struct dependency_set) + count * sizeof(struct dependency);
	struct dependency_set *set = calloc(1, bytes);

	if (!set)
		return NULL;
	set->version = DEPENDENCY_SET_VERSION;
	set->bytes = bytes;
	return set;
}

/* failOpen.peers, below readiness or at the top, or NULL. */
static const struct config_node *find_peers(const struct config_node *root)
{
	const struct config_node *readiness = root ? find(root, "readiness") : NULL, *open = root ? find(root, "failOpen") : NULL;

	if (!open && readiness && readiness->kind == CONFIG_MAP)
		open = find(readiness, "failOpen");
	open = open && open->kind == CONFIG_MAP ? find(open, "peers") : NULL;
	return open && !open->wrong && !config_is_null(open) ? open : NULL;
}

/* The siblings are asked as a dependency is: shown, never gating. */
static void add_peers(struct walk *walk, const struct config_node *peers)
{
	struct dependency *out = &walk->set->list[walk->set->count];
	char reason[COMPLAINT_TEXT], hosts[DEPENDENCY_URL - 16];

	if (!config_join(peers, hosts, sizeof(hosts)))
		return; /* was complained of */
	strcpy(out->name, "peers"); /* nobody else can be called so */
	out->kind = DEPENDENCY_PEERS;
	out->class = DEPENDENCY_INFO;
	out->line = peers->line;
	(void)snprintf(out->url, sizeof(out->url), "lifesign://%s", hosts); /* fits */
	if (dependency_parse_url(out->kind, out->url, &out->at, reason, sizeof(reason)))
		complaints_add(walk->why, "%s:%u: failOpen.peers: %s", walk->file, peers->line, reason);
	else
		walk->set->count++;
}

/* FNV-1a: two readings of one file agree, another file does not. */
static void seal(struct dependency_set *set)
{
	const unsigned char *at = (const unsigned char *)&set->group_count, *end = (const unsigned char *)set + set->bytes;
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	while (at < end)
		hash = (hash ^ *at++) * UINT64_C(0x100000001b3);
	set->epoch = hash ? hash : 1;
}

struct dependency_set *dependency_set_of(const struct config_document *document, struct complaints *why)
{
	const struct config_node *root = document->root && document->root->kind == CONFIG_MAP ? document->root : NULL;
	const struct config_node *list = root ? find(root, "dependencies") : NULL, *groups = root ? find(root, "groups") : NULL;
	const struct config_node *peers = root ? find_peers(root) : NULL;
	unsigned count = count_items(list), before = why->count + why->unseen, more = peers != NULL, room = DEPENDENCIES - more;
	struct walk walk = {.file = document->name, .why = why, .set = make((count < room ? count : room) + more)};

	if (!walk.set)
		return NULL;
	if (list && list->kind != CONFIG_LIST && !config_is_null(list) && !list->wrong)
		complaints_add(why, "%s:%u: dependencies: allowed: a list of {name: …, kind: …, url: …}", walk.file, list->line);
	if (count > room)
		complaints_add(why, "%s:%u: dependencies: found %u, allowed: at most %u", walk.file, list->line, count, room);
	for (const struct config_node *node = count && count <= room ? list->first : NULL; node; node = node->next)
		take_dependency(&walk, node);
	if (peers && count <= room)
		add_peers(&walk, peers);
	if (groups)
		take_groups(&walk, groups);
	for (unsigned i = 0; i < walk.set->count; i++)
		check_needs(&walk, &walk.set->list[i]);
	check_circles(&walk);
	check_groups(&walk);
	seal(walk.set);
	/* what the reader could not read was complained of before */
	if (why->count + why->unseen == before && walk.set->count == count + more)
		return walk.set;
	free(walk.set);
	return NULL;
}

struct dependency_set *dependency_set_read(const char *path, const char *const *environment, struct complaints *why)
{
	struct config_document document;
	struct dependency_set *set = NULL;

	if (!config_read_file(path, environment, &document, why))
		set = dependency_set_of(&document, why);
	config_free(&document);
	return set;
}
