/* SPDX-License-Identifier: Apache-2.0 */
#include "supervise/whose.h"

#include "supervise/mapping.h"
#include "watch/procfs.h"

enum { GENERATIONS = 256 };

struct ancestor {
	pid_t pid;
	uint64_t start_ns;
};

/* The process itself first. */
static unsigned read_ancestors(pid_t pid, pid_t self, struct ancestor out[GENERATIONS])
{
	struct proc_stat stat;
	unsigned count = 0;

	for (; count < GENERATIONS && pid > 0 && pid != self && proc_thread_stat(pid, pid, &stat) == 0; count++) {
		out[count] = (struct ancestor){pid, stat.start_ns};
		pid = stat.parent;
	}
	return count;
}

static struct member *find_main(const struct members *members, const struct ancestor *one)
{
	for (unsigned m = 0; m < members->count; m++) {
		if (member_is_main(members->all[m], one->pid, one->start_ns))
			return members->all[m];
	}
	return NULL;
}

/* What the kernel says of one process, asked once and only when some segment names it. */
struct witness {
	const struct ancestor *of;
	const struct peer *peer;
	enum mapping mapping;
	ino_t inode;
	bool asked;
};

/* One that has just exec'ed has no mapping any more: then user, control group and session have to be the service's. */
static bool proves(struct witness *witness, const struct member *member)
{
	if (!witness->asked)
		witness->mapping = mapping_of(witness->of->pid, &witness->inode);
	witness->asked = true;
	if (witness->mapping == MAPPING_THERE)
		return witness->inode == member->reclaim.inode;
	if (witness->mapping == MAPPING_GONE && (witness->of->pid != witness->peer->pid || !member_may_have_left(member, witness->of->pid)))
		return false;
	return member_is_alike(member, witness->of->pid);
}

static struct member *find_entry(const struct members *members, const struct peer *peer, const struct ancestor *one)
{
	struct witness witness = {.of = one, .peer = peer};

	for (unsigned m = 0; m < members->count; m++) {
		struct member *member = members->all[m];

		if (member_may_hold(member, one->pid, one->start_ns) && proves(&witness, member))
			return member;
	}
	return NULL;
}

static struct member *find_unseen(const struct members *members, const struct peer *peer)
{
	for (unsigned m = 0; m < members->count; m++) {
		struct member *member = members->all[m];

		if (member->uid == peer->uid && member->pid_namespace == peer->pid_namespace &&
			(member_holds_unseen(member, peer->own_parent) || member_holds_unseen(member, peer->own_pid)))
			return member;
	}
	return NULL;
}

/* Main processes first: those we know ourselves. */
struct member *whose_process(const struct members *members, const struct peer *peer)
{
	struct ancestor ancestors[GENERATIONS];
	unsigned count = peer->pid ? read_ancestors(peer->pid, members->self, ancestors) : 0;
	struct member *found = NULL;

	for (unsigned i = 0; !found && i < count; i++)
		found = find_main(members, &ancestors[i]);
	for (unsigned i = 0; !found && i < count; i++)
		found = find_entry(members, peer, &ancestors[i]);
	if (!found && peer->unseen && peer->pid_namespace)
		found = find_unseen(members, peer);
	return found;
}
