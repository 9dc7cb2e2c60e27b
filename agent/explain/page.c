/* SPDX-License-Identifier: Apache-2.0 */
/* The explanation for people: threads that do the same for the same reason stand together. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "base/utf8.h"
#include "explain/explain.h"
#include "watch/procfs.h"

enum { COLUMNS = 80, NAMED = 12 };

struct state_word {
	char letter;
	const char *text;
};

static const struct state_word states[] = {{'R', "running"}, {'S', "sleeping"},
	{'D', "waiting in the kernel (D)"}, {'T', "stopped"}, {'t', "stopped by a debugger"}, {'Z', "ended"},
	{'X', "ended"}, {'I', "idle"}};

static const char *state_word(char letter)
{
	for (unsigned i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		if (states[i].letter == letter)
			return states[i].text;
	}
	return "in a state not known";
}

/* Breaks at blanks; what holds none for a whole line is longer than it. */
static void wrap(struct buf *out, unsigned indent, unsigned more, const char *text)
{
	unsigned column = indent;

	buf_format(out, "%*s", (int)indent, "");
	while (*text) {
		size_t word = strcspn(text, " "), length = word + strspn(text + word, " ");

		if (column + word > COLUMNS && column > indent + more) {
			buf_format(out, "\n%*s", (int)(indent + more), "");
			column = indent + more;
		}
		buf_add(out, text, word);
		column += (unsigned)word;
		if (text[length] && column + 1 + strcspn(text + length, " ") <= COLUMNS) {
			buf_char(out, ' ');
			column++;
		} else if (text[length]) {
			column = COLUMNS; /* the next word breaks the line */
		}
		text += length;
	}
	buf_char(out, '\n');
}

void explain_who(const struct explain *explain, const struct explain_thread *thread, char *out, size_t bytes)
{
	(void)explain; /* names stand with the threads */
	(void)snprintf(out, bytes, "%.15s (%d)", thread->name, thread->tid);
	text_sanitize(out);
}

static void put_owner(
	const struct explain *explain, const struct explain_wait *wait, int waits_for, char *out, size_t bytes)
{
	struct proc_stat stat = {.name = "?"};

	if (waits_for >= 0)
		explain_who(explain, &explain->threads[waits_for], out, bytes);
	else if (proc_process_stat(wait->owner, &stat) == 0)
		(void)snprintf(out, bytes, "%s (%d)", stat.name, wait->owner);
	else
		(void)snprintf(out, bytes, "%d", wait->owner);
	text_sanitize(out);
}

void explain_sentence(
	const struct explain *explain, const struct explain_thread *thread, char *out, size_t bytes)
{
	const struct explain_wait *wait = &thread->wait;
	char owner[64] = "";

	if (!thread->call && thread->now.syscall >= 0) {
		(void)snprintf(out, bytes, "is in system call number %ld", thread->now.syscall);
		return;
	}
	if (!thread->call) {
		(void)snprintf(out, bytes, "%s",
			thread->now.state == 'R' || thread->now.syscall == SYSCALL_NONE ? "runs its own code"
											: "");
		return;
	}
	if (wait->owner && !wait->orphan && wait->owner_word)
		put_owner(explain, wait, thread->waits_for, owner, sizeof(owner));
	(void)snprintf(out, bytes, "%s%s%s%s%s%s%s%s", thread->call->does, wait->object[0] ? " " : "",
		wait->object, owner[0] ? " " : "", owner[0] ? wait->owner_word : "", owner,
		wait->orphan ? ", whose owner has ended without unlocking it" : "",
		wait->limited && thread->call->limit != LIMIT_ALWAYS ? ", for a limited time" : "");
	text_sanitize(out);
}

static void put_age(double seconds, char *out, size_t bytes)
{
	if (seconds < 120)
		(void)snprintf(out, bytes, "%.1f s", seconds);
	else if (seconds < 7200)
		(void)snprintf(out, bytes, "%.0f min", seconds / 60);
	else if (seconds < 172800)
		(void)snprintf(out, bytes, "%.1f h", seconds / 3600);
	else
		(void)snprintf(out, bytes, "%.1f days", seconds / 86400);
}

/* "sleeping, last ran about 3.1 s ago [futex]" */
static void put_state(const struct explain_thread *thread, char *out, size_t bytes)
{
	char age[32], cpu[32] = "", rest[64] = "";

	if (thread->cpu_percent >= 0.5)
		(void)snprintf(cpu, sizeof(cpu), ", %.0f %% CPU", thread->cpu_percent);
	put_age(thread->rest_seconds, age, sizeof(age));
	if (thread->still && thread->rest_seconds >= 0)
		(void)snprintf(rest, sizeof(rest), ", last ran about %s ago", age);
	else if (thread->now.switches > thread->first.switches && thread->now.state != 'R')
		(void)snprintf(rest, sizeof(rest), ", ran meanwhile (%llu switches)",
			(unsigned long long)(thread->now.switches - thread->first.switches));
	(void)snprintf(out, bytes, "%s%s%s%s%s%s", state_word(thread->now.state), rest, cpu,
		thread->call ? " [" : "", thread->call ? thread->call->name : "", thread->call ? "]" : "");
}

/* ---- threads that say the same */

static bool are_alike(const struct explain_thread *one, const struct explain_thread *other)
{
	return one->call == other->call && one->now.state == other->now.state &&
	       one->wait.owner == other->wait.owner && one->waits_for == other->waits_for &&
	       one->now.syscall == other->now.syscall && one->still == other->still && one->cpu_percent < 0.5 &&
	       other->cpu_percent < 0.5 && strcmp(one->wait.object, other->wait.object) == 0 &&
	       !one->in_cycle && !other->in_cycle;
}

static void put_thread(const struct explain *explain, const unsigned *alike, unsigned count, struct buf *out)
{
	const struct explain_thread *thread = &explain->threads[alike[0]];
	char state[128], sentence[512], name[32], list[256];
	size_t used;

	put_state(thread, state, sizeof(state));
	explain_who(explain, thread, name, sizeof(name));
	used = (size_t)snprintf(list, sizeof(list), "%s", name);
	for (unsigned i = 1; i < count && i < NAMED && used < sizeof(list) - 32; i++)
		used += (size_t)snprintf(
			list + used, sizeof(list) - used, ", %d", explain->threads[alike[i]].tid);
	if (count > NAMED)
		(void)snprintf(list + used, sizeof(list) - used, " and %u more", count - NAMED);
	(void)snprintf(list + strlen(list), sizeof(list) - strlen(list), ": ");
	(void)snprintf(sentence, sizeof(sentence), "%s%s", list, state);
	wrap(out, 2, 2, sentence);
	explain_sentence(explain, thread, sentence, sizeof(sentence));
	if (sentence[0])
		wrap(out, 6, 2, sentence);
}

static void put_process(const struct explain *explain, const struct explain_process *process, struct buf *out)
{
	bool *told = calloc(process->thread_count + 1, sizeof(*told));
	unsigned *alike = calloc(process->thread_count + 1, sizeof(*alike));

	for (unsigned round = 0; told && alike && round < 2; round++) {
		for (unsigned i = 0; i < process->thread_count; i++) {
			const struct explain_thread *thread = &explain->threads[process->first_thread + i];
			unsigned count = 0;

			if (told[i] || thread->gone ||
				(round == 0 &&
					thread->tid != explain->asked)) /* the one asked for comes first */
				continue;
			for (unsigned j = i; j < process->thread_count; j++) {
				if (told[j] || explain->threads[process->first_thread + j].gone ||
					(j != i && !are_alike(thread,
							   &explain->threads[process->first_thread + j])))
					continue;
				told[j] = true;
				alike[count++] = process->first_thread + j;
			}
			put_thread(explain, alike, count, out);
		}
	}
	free(told);
	free(alike);
}

/* ---- chains */

static void put_cycle(const struct explain *explain, unsigned from, bool *told, struct buf *out)
{
	char who[48], sentence[512], chain[2048];
	size_t used;
	int at = (int)from;

	explain_who(explain, &explain->threads[from], who, sizeof(who));
	used = (size_t)snprintf(chain, sizeof(chain), "%s ", who);
	do {
		explain_sentence(explain, &explain->threads[at], sentence, sizeof(sentence));
		used += (size_t)snprintf(chain + used, sizeof(chain) - used, "%s%s",
			at == (int)from ? "" : ", which ", sentence);
		told[at] = true;
		at = explain->threads[at].waits_for;
	} while (at != (int)from && used < sizeof(chain));
	buf_char(out, '\n');
	wrap(out, 0, 2, chain);
}

static void put_cycles(const struct explain *explain, struct buf *out)
{
	bool *told = calloc(explain->thread_count + 1, sizeof(*told));

	for (unsigned i = 0; told && i < explain->thread_count; i++) {
		if (explain->threads[i].in_cycle && !told[i])
			put_cycle(explain, i, told, out);
	}
	free(told);
}

/* ---- around it */

static void put_sockets(const struct explain *explain, struct buf *out)
{
	char line[256];

	if (explain->listener_count)
		buf_char(out, '\n');
	for (unsigned i = 0; i < explain->listener_count; i++) {
		const struct diag_listener *now = &explain->listeners[i].now;

		if (!now->inode)
			continue; /* closed meanwhile */
		(void)snprintf(line, sizeof(line), "listens on %s, %u of %u in its accept queue", now->address,
			now->queue, now->backlog);
		text_sanitize(line);
		wrap(out, 0, 2, line);
	}
	if (explain->inbound.connections) {
		(void)snprintf(line, sizeof(line),
			"%u connection%s came in, %u of them with bytes that nobody reads",
			explain->inbound.connections, explain->inbound.connections == 1 ? "" : "s",
			explain->inbound.waiting);
		wrap(out, 0, 2, line);
	}
}

static void put_head(const struct explain *explain, const struct explain_process *process, struct buf *out)
{
	char line[256], age[32], name[16];

	memcpy(name, process->row.name, sizeof(name));
	text_sanitize(name);
	put_age((double)(clock_boot_ns() - (int64_t)process->row.start_ns) / NS_PER_SECOND, age, sizeof(age));
	(void)snprintf(line, sizeof(line), "%s (pid %d), started %s ago, %u thread%s%s%s", name,
		process->row.pid, age, process->thread_count, process->thread_count == 1 ? "" : "s",
		explain->threads_cut ? " and more that are not looked at" : "",
		process->narrow ? "; a 32-bit program: its calls are not told apart" : "");
	wrap(out, 0, 2, line);
}

void explain_print(const struct explain *explain, struct buf *out)
{
	char verdict[512];

	put_head(explain, &explain->processes[0], out);
	buf_format(out, "looked at twice within %.1f s, from outside; nothing was stopped\n\n",
		explain->looked_seconds);
	put_process(explain, &explain->processes[0], out);
	for (unsigned i = 1; i < explain->process_count; i++) {
		buf_text(out, "\na wait leads to ");
		put_head(explain, &explain->processes[i], out);
		put_process(explain, &explain->processes[i], out);
	}
	put_sockets(explain, out);
	put_cycles(explain, out);
	(void)explain_verdict(explain, verdict, sizeof(verdict));
	buf_char(out, '\n');
	wrap(out, 0, 2, verdict);
}
