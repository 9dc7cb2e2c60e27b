/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/chain.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "judge/calls.h"

enum { LINK_WORDS = 128 };

/* One that counts before one that does not, then the one with most threads. NULL: none. */
static const struct knot *worst(const struct proofs *proofs)
{
	const struct knot *found = NULL;

	for (unsigned i = 0; i < proofs->knot_count; i++) {
		const struct knot *knot = &proofs->knots[i];

		if (!found || knot->critical > found->critical ||
			(knot->critical == found->critical && knot->length + knot->behind > found->length + found->behind))
			found = knot;
	}
	return found;
}

static const struct slot_now *slot_at(const struct service *service, int32_t at)
{
	return &service->slots.now[service->slots.order[at]];
}

static void fill_link(struct snapshot_link *link, const struct service *service, int32_t at)
{
	const struct slot_now *slot = slot_at(service, at);
	const struct notebook_track *track = &service->notebook.tracks[service->slots.order[at]];

	*link = (struct snapshot_link){.tid = slot->record.tid, .op = call_info((uint32_t)(track->call & CALL_OP_MASK))->name,
		.object = slot->proof.object, .owner = slot->proof.owner};
	memcpy(link->name, slot->name, sizeof(link->name));
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

static const char *kind_of(const char *op)
{
	if (strstr(op, "rwlock"))
		return "read-write lock";
	return strstr(op, "join") ? "the end of thread" : "mutex";
}

static size_t put_name(const struct snapshot_link *links, unsigned count, pid_t tid, char *out, size_t bytes)
{
	for (unsigned i = 0; i < count; i++) {
		if (links[i].tid == tid)
			return (size_t)snprintf(out, bytes, "%.15s (%d)", links[i].name, tid);
	}
	return (size_t)snprintf(out, bytes, "thread %d", tid);
}

/* "worker-3 (17) waits for mutex 0x5580 held by worker-4 (18)" */
static size_t put_link(const struct snapshot_chain *chain, unsigned at, char *out, size_t bytes)
{
	const struct snapshot_link *link = &chain->links[at];
	char owner[LINK_WORDS];
	bool join = strstr(link->op, "join") != NULL;

	(void)put_name(chain->links, chain->link_count, link->owner, owner, sizeof(owner));
	if (join)
		return (size_t)snprintf(out, bytes, "%s%.15s (%d) waits for the end of %s", at ? ", which is: " : "", link->name, link->tid, owner);
	if (at)
		return (size_t)snprintf(out, bytes, ", which waits for %s 0x%" PRIx64 " held by %s", kind_of(link->op), link->object, owner);
	return (size_t)snprintf(out, bytes, "%.15s (%d) waits for %s 0x%" PRIx64 " held by %s", link->name, link->tid, kind_of(link->op),
		link->object, owner);
}

static void put_words(const struct snapshot_chain *chain, const struct knot *knot, char *out, size_t bytes)
{
	size_t used = 0;

	for (unsigned i = 0; i < chain->link_count && used < bytes; i++)
		used += put_link(chain, i, out + used, bytes - used);
	if (!knot->length && used < bytes)
		used += (size_t)snprintf(out + used, bytes - used, ", which has ended without unlocking it");
	if (knot->length > chain->link_count && used < bytes)
		used += (size_t)snprintf(out + used, bytes - used, ", and so on: %u threads in all", knot->length);
	if (knot->behind > (knot->length ? 0 : 1U) && used < bytes)
		(void)snprintf(out + used, bytes - used, "; %u more wait behind", knot->behind - (knot->length ? 0 : 1));
}

static void put_detail(struct snapshot_answer *answer, enum reason_code code, const char *words)
{
	for (unsigned i = 0; i < answer->reason_count; i++) {
		if (answer->reasons[i].code == code)
			(void)snprintf(answer->reasons[i].detail, sizeof(answer->reasons[i].detail), "%s", words);
	}
}

static void describe(struct snapshot_chain *chain, const struct service *service, const struct knot *knot, char *words, size_t bytes)
{
	*chain = (struct snapshot_chain){.code = knot->length ? REASON_DEADLOCK : REASON_ORPHANED_LOCK};
	fill_links(chain, service, knot);
	fill_stuck(chain, service, (int32_t)(knot - service->proofs.knots));
	words[0] = '\0';
	put_words(chain, knot, words, bytes);
}

void chain_fill(struct snapshot *out, const struct service *service)
{
	const struct knot *knot = worst(&service->proofs);
	char words[SNAPSHOT_DETAIL];

	for (unsigned i = 0; i < service->proofs.knot_count; i++)
		out->workers.stuck += service->proofs.knots[i].length + service->proofs.knots[i].behind;
	if (!knot)
		return;
	describe(&out->chain, service, knot, words, sizeof(words));
	put_detail(&out->live, out->chain.code, words);
	put_detail(&out->ready, out->chain.code, words);
}

void chain_words(const struct service *service, char *out, size_t bytes)
{
	const struct knot *knot = worst(&service->proofs);
	struct snapshot_chain chain;

	out[0] = '\0';
	if (knot)
		describe(&chain, service, knot, out, bytes);
}

void chain_tell(struct service *service)
{
	const struct knot *knot = worst(&service->proofs);
	struct snapshot_chain chain;
	char words[1024];

	if (!knot)
		service->told_first = 0;
	if (!knot || service->told_first == slot_at(service, knot->first)->record.tid)
		return;
	describe(&chain, service, knot, words, sizeof(words));
	service->told_first = slot_at(service, knot->first)->record.tid;
	log_event(LOG_LEVEL_WARN, "proof", "%s: %s", reason_text(chain.code), words);
}
