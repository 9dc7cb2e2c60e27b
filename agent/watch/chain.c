/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/chain.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "judge/calls.h"

enum { NAME_WORDS = 48 };

/* One that counts before one that does not, then the one with most threads. NULL: none. */
static const struct knot *worst(const struct proofs *proofs)
{
	const struct knot *found = NULL;

	for (unsigned i = 0; i < proofs->knot_count; i++) {
		const struct knot *knot = &proofs->knots[i];

		if (!found || knot->critical > found->critical ||
			(knot->critical == found->critical &&
				knot->length + knot->behind > found->length + found->behind))
			found = knot;
	}
	return found;
}

static const struct slot_now *slot_at(const struct service *service, int32_t at)
{
	return &service->slots.now[service->slots.order[at]];
}

static const struct {
	const char *what, *held;
	bool place;
} kinds[] = {
	[PROOF_NOTHING] = {"something", " of ", true},
	[PROOF_MUTEX] = {"mutex", " held by ", true},
	[PROOF_RWLOCK] = {"read-write lock", " held by ", true},
	[PROOF_ONCE] = {"pthread_once", " being run by ", true},
	[PROOF_STREAM] = {"the lock of a stdio stream", " held by ", true},
	[PROOF_THREAD] = {"the end of", " ", false},
	[PROOF_CHILD] = {"the end of process", " ", false},
	[PROOF_FILE_LOCK] = {"a file lock", " held by process ", false},
	[PROOF_PARKED] = {"its own process", " ", false},
};

/* A lock has a name in its program, a locked file one in its file system. */
static void fill_symbol(struct snapshot_link *link, const struct service *service, const struct slot_now *slot)
{
	const struct process_row *row = &service->tree.rows[slot->row];
	struct reach_target target = tree_target(row);
	char name[REACH_NAME];

	if (slot->proof.kind == PROOF_FILE_LOCK) {
		(void)snprintf(name, sizeof(name), "fd/%d", (int)slot->proof.object);
		if (reach_link(&target, name, link->symbol, sizeof(link->symbol)) < 0)
			link->symbol[0] = '\0';
	} else {
		(void)snprintf(link->symbol, sizeof(link->symbol), "%s",
			naming_of(&service->naming, row->pid, slot->proof.object));
	}
}

static void fill_link(struct snapshot_link *link, const struct service *service, int32_t at)
{
	const struct slot_now *slot = slot_at(service, at);
	const struct notebook_track *track = &service->notebook.tracks[service->slots.order[at]];

	*link = (struct snapshot_link){.tid = slot->record.tid,
		.op = call_info((uint32_t)(track->call & CALL_OP_MASK))->name,
		.object = slot->proof.object,
		.owner = slot->proof.owner ? slot->proof.owner : slot->proof.process,
		.what = kinds[slot->proof.kind].what,
		.held = kinds[slot->proof.kind].held,
		.place = kinds[slot->proof.kind].place};
	if (!link->place)
		link->object = slot->proof.kind == PROOF_THREAD ? link->object : 0;
	fill_symbol(link, service, slot);
	memcpy(link->name, slot->name, sizeof(link->name));
	text_sanitize(link->symbol);
}

static void fill_links(struct snapshot_chain *chain, const struct service *service, const struct knot *knot)
{
	int32_t at = knot->first;
	unsigned length = knot->length ? knot->length : 1;

	for (unsigned i = 0; i < length && i < SNAPSHOT_LINKS && at >= 0; i++) {
		fill_link(&chain->links[chain->link_count++], service, at);
		at = proofs_next(&service->proofs, at);
	}
}

static bool is_linked(const struct snapshot_chain *chain, pid_t tid)
{
	for (unsigned i = 0; i < chain->link_count; i++) {
		if (chain->links[i].tid == tid)
			return true;
	}
	return false;
}

static void fill_stuck(struct snapshot_chain *chain, const struct service *service, int32_t knot)
{
	for (unsigned i = 0; i < chain->link_count; i++)
		chain->stuck[chain->stuck_count++] = chain->links[i].tid;
	for (unsigned i = 0; i < service->proofs.count && chain->stuck_count < SNAPSHOT_STUCK; i++) {
		pid_t tid = slot_at(service, (int32_t)i)->record.tid;

		if (service->proofs.knot_of[i] == knot && !is_linked(chain, tid))
			chain->stuck[chain->stuck_count++] = tid;
	}
}

/* ---- words */

static void put_name(const struct snapshot_chain *chain, pid_t tid, char *out, size_t bytes)
{
	for (unsigned i = 0; i < chain->link_count; i++) {
		if (chain->links[i].tid == tid) {
			(void)snprintf(out, bytes, "%.15s (%d)", chain->links[i].name, tid);
			return;
		}
	}
	(void)snprintf(out, bytes, "%d", tid);
}

/* "worker-3 (17) waits for mutex 0x5580 (journal, app+0x20c0) held by worker-4 (18)" */
static size_t put_link(const struct snapshot_chain *chain, unsigned at, char *out, size_t bytes)
{
	const struct snapshot_link *link = &chain->links[at];
	char owner[NAME_WORDS], self[NAME_WORDS], place[32] = "";
	const char *symbol = link->symbol;

	put_name(chain, link->owner, owner, sizeof(owner));
	put_name(chain, link->tid, self, sizeof(self));
	if (link->place)
		(void)snprintf(place, sizeof(place), " 0x%" PRIx64, link->object);
	return (size_t)snprintf(out, bytes, "%s waits for %s%s%s%s%s%s%s", at ? ", which" : self, link->what,
		place, symbol[0] ? " (" : "", symbol, symbol[0] ? ")" : "", link->held, owner);
}

static void put_words(
	const struct snapshot_chain *chain, const struct knot *knot, bool inherited, char *out, size_t bytes)
{
	unsigned behind =
		knot->behind - (knot->length ? 0 : 1); /* of an orphaned lock the first is told already */
	size_t used = 0;

	for (unsigned i = 0; i < chain->link_count && used < bytes; i++)
		used += put_link(chain, i, out + used, bytes - used);
	if (!knot->length && used < bytes)
		used += (size_t)snprintf(out + used, bytes - used, ", which %s",
			inherited ? "does not exist in its process: it was locked when that was forked"
				  : "has ended without unlocking it");
	if (knot->length > chain->link_count && used < bytes)
		used += (size_t)snprintf(
			out + used, bytes - used, ", and so on: %u threads in all", knot->length);
	if (behind > 0 && used < bytes)
		(void)snprintf(out + used, bytes - used, "; %u thread%s behind %s", behind,
			behind == 1 ? " waits" : "s wait", knot->length == 1 || !knot->length ? "it" : "them");
}

static void describe(struct snapshot_chain *chain, const struct service *service, const struct knot *knot)
{
	bool inherited; /* an orphaned lock, whose owner lives in another process */

	*chain = (struct snapshot_chain){.code = knot->length ? REASON_DEADLOCK : REASON_ORPHANED_LOCK};
	fill_links(chain, service, knot);
	fill_stuck(chain, service, (int32_t)(knot - service->proofs.knots));
	inherited = proofs_find_tid(&service->proofs, &service->slots, chain->links[0].owner) != KNOT_NOBODY;
	put_words(chain, knot, inherited, chain->words, sizeof(chain->words));
}

void chain_fill(struct snapshot *out, const struct service *service)
{
	const struct knot *knot = worst(&service->proofs);

	for (unsigned i = 0; i < service->proofs.knot_count; i++)
		out->workers.stuck += service->proofs.knots[i].length + service->proofs.knots[i].behind;
	if (knot)
		describe(&out->chain, service, knot);
}

void chain_words(const struct service *service, char *out, size_t bytes)
{
	const struct knot *knot = worst(&service->proofs);
	struct snapshot_chain chain;

	out[0] = '\0';
	if (!knot)
		return;
	describe(&chain, service, knot);
	(void)snprintf(out, bytes, "%s", chain.words);
}

/* The locks in the chain; a thread that is waited for has no name of this kind. */
static void ask_names(struct service *service, const struct knot *knot, int64_t now)
{
	struct naming_object objects[SNAPSHOT_LINKS];
	unsigned count = 0, length = knot->length ? knot->length : 1;
	int32_t at = knot->first;

	for (unsigned i = 0; i < length && i < SNAPSHOT_LINKS && at >= 0; i++) {
		const struct slot_now *slot = slot_at(service, at);

		if (kinds[slot->proof.kind].place)
			objects[count++] = (struct naming_object){
				tree_target(&service->tree.rows[slot->row]), slot->proof.object};
		at = proofs_next(&service->proofs, at);
	}
	naming_ask(&service->naming, objects, count, now);
}

void chain_tell(struct service *service, int64_t now)
{
	const struct knot *knot = worst(&service->proofs);
	struct snapshot_chain chain;

	service->changed |= naming_follow(&service->naming, now);
	if (!knot) {
		service->told_first = 0;
		return;
	}
	ask_names(service, knot, now);
	if (service->told_first == slot_at(service, knot->first)->record.tid ||
		!naming_is_settled(&service->naming, now))
		return;
	describe(&chain, service, knot);
	service->told_first = slot_at(service, knot->first)->record.tid;
	log_event(LOG_LEVEL_WARN, "proof", "%s: %s", reason_text(chain.code), chain.words);
}
