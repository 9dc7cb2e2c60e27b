/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All dependencies of a configuration file, as one block of plain data: it travels to the prober as it is.
 * Threads: any; immutable once read. Failure: complaints, `FILE:LINE: …`; then there is no set.
 * Memory: one allocation, owner is who read it.
 */
#ifndef LS_DEPENDENCY_SET_H
#define LS_DEPENDENCY_SET_H

#include "base/complaints.h"
#include "base/config.h"
#include "base/dependency.h"

enum { DEPENDENCY_GROUPS = 32, DEPENDENCY_SET_VERSION = 1 };

/* Of its members at_least are enough: then the others, even hard ones, only degrade. */
struct dependency_group {
	char name[DEPENDENCY_NAME];
	unsigned at_least, line;
};

struct dependency_set {
	uint32_t version, count;
	uint64_t bytes; /* of all of it */
	uint64_t epoch; /* a hash of all that follows; never 0 */
	uint32_t group_count, reserved;
	struct dependency_group groups[DEPENDENCY_GROUPS];
	struct dependency list[]; /* count */
};

/* The set in the file, which may be empty; NULL after complaints, or without memory. */
struct dependency_set *dependency_set_read(const char *path, const char *const *environment, struct complaints *why);

/* The same of a tree that was read already. */
struct dependency_set *dependency_set_of(const struct config_document *document, struct complaints *why);

/* One dependency from a URL alone, for a try by hand. */
struct dependency_set *dependency_set_of_url(const char *url, struct complaints *why);

/* Are the bytes a set as this program writes it? For what was received. */
bool dependency_set_check(const struct dependency_set *set, uint64_t bytes);

/* What it is and what is asked of it: not where it stands in the file, nor what is made of the answer. Never 0. */
uint64_t dependency_identity(const struct dependency *of);

/* Index of the name, or -1. */
int dependency_set_find(const struct dependency_set *set, const char *name);

/* Do its `needs` lead back to itself, through any number of hops? */
bool dependency_set_is_circle(const struct dependency_set *set, const struct dependency *of);

/* `needs: dns` where no dependency has that name: what it needs is the lookup of its own host. */
#define DEPENDENCY_LOOKUP "dns"
bool dependency_set_needs_lookup(const struct dependency_set *set, const struct dependency *of);

/* Index of the group, or -1. */
int dependency_set_group(const struct dependency_set *set, const char *name);

#endif
