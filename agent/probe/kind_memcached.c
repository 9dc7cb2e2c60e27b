/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memcached, its text protocol: `version`, or a number of `stats`, on a kept connection; a server that wants to
 * be told who asks gets the user and the password as its authentication file has them.
 *
 * Threads, failure: see kind.h. Memory: one line.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/kind.h"
#include "probe/kind_memcached_answer.h"
#include "probe/tls_link.h"

struct memcached {
	struct tls_link link;
	bool on_unix;
	char ask[DEPENDENCY_TEXT],
		wanted[DEPENDENCY_TEXT]; /* `stats GROUP\r\n`, NAME; or `version\r\n`, empty */
};

/* Sends and reads one answer. False when it has failed, and when *login. */
static bool converse(struct memcached *memcached, struct attempt *attempt, const char *text, size_t length,
	struct memcached_answer *answer, bool *login)
{
	enum memcached_outcome outcome = MEMCACHED_MORE;
	char bytes[4096];

	*login = false;
	if (!tls_link_send(&memcached->link, attempt, text, length))
		return false;
	while (outcome == MEMCACHED_MORE) {
		long got = tls_link_receive(&memcached->link, attempt, bytes, sizeof(bytes));

		if (got == 0)
			return attempt_fail(attempt, PROBE_PROTOCOL_ERROR, "it hung up");
		if (got < 0)
			return false;
		outcome = memcached_answer_take(answer, bytes, (size_t)got);
	}
	*login = outcome == MEMCACHED_LOGIN;
	if (outcome == MEMCACHED_FAILED)
		return attempt_fail(attempt, answer->error, "%s", answer->line);
	return outcome == MEMCACHED_DONE;
}

static bool log_in(struct memcached *memcached, struct attempt *attempt)
{
	struct memcached_answer answer = {0};
	char secret[DEPENDENCY_ASK], text[DEPENDENCY_ASK + DEPENDENCY_TEXT + 64];
	const char *user = attempt->of->at.user;
	bool again, good;

	attempt_phase(attempt, PHASE_AUTH);
	if (!attempt_password(attempt, secret, sizeof(secret)))
		return false;
	if (!*user && !*secret)
		return attempt_fail(attempt, PROBE_AUTH_FAILED, "it wants a user and a password");
	(void)snprintf(text, sizeof(text), "set lifesign 0 0 %zu\r\n%s %s\r\n",
		strlen(user) + 1 + strlen(secret), user, secret); /* fits */
	good = converse(memcached, attempt, text, strlen(text), &answer, &again);
	explicit_bzero(secret, sizeof(secret));
	explicit_bzero(text, sizeof(text));
	attempt_phase(attempt, PHASE_ASK);
	return good || (again && attempt_fail(attempt, PROBE_AUTH_FAILED, "%s", answer.line));
}

static bool take_value(struct attempt *attempt, const struct memcached_answer *answer)
{
	if (!answer->wanted)
		return true;
	if (answer->is_number)
		attempt_value(attempt, answer->value);
	else
		return attempt_fail(attempt, PROBE_PROTOCOL_ERROR, "its stats have %s %s",
			answer->has_value ? "no number as" : "no", answer->wanted);
	return true;
}

static bool question(struct memcached *memcached, struct attempt *attempt)
{
	struct memcached_answer answer = {.wanted = *memcached->wanted ? memcached->wanted : NULL};
	bool login,
		good = converse(memcached, attempt, memcached->ask, strlen(memcached->ask), &answer, &login);

	if (login) {
		answer = (struct memcached_answer){.wanted = answer.wanted};
		good = log_in(memcached, attempt) &&
		       converse(memcached, attempt, memcached->ask, strlen(memcached->ask), &answer, &login);
		if (login)
			return attempt_fail(attempt, PROBE_AUTH_FAILED, "%s", answer.line);
	}
	return good && take_value(attempt, &answer);
}

static void ask_memcached(void *state, struct attempt *attempt)
{
	struct memcached *memcached = state;
	const struct dependency_url *at = &attempt->of->at;
	bool good = true;

	if (memcached->link.fd >= 0 && !attempt_hung_up(memcached->link.fd)) {
		attempt_hold(attempt, memcached->link.fd);
	} else {
		tls_link_close(&memcached->link, attempt);
		good = tls_link_open(
			       &memcached->link, attempt, at->port, memcached->on_unix ? at->path : NULL) &&
		       (!at->tls || tls_link_secure(&memcached->link, attempt));
		attempt_phase(attempt, PHASE_ASK);
	}
	good = good && question(memcached, attempt);
	attempt_hold(attempt, -1);
	if (!good)
		tls_link_close(&memcached->link, attempt);
}

static void close_memcached(void *state)
{
	struct memcached *memcached = state;

	tls_link_close(&memcached->link, NULL);
	free(memcached);
}

/* `command`: NAME or GROUP NAME of `stats`. */
static bool read_command(struct memcached *memcached, const char *command)
{
	char group[DEPENDENCY_TEXT] = "", name[DEPENDENCY_TEXT] = "", more[2];
	int words = sscanf(command, "%200s %200s %1s", group, name, more);

	if (strlen(command) > 200 || words < 1 || words > 2)
		return false;
	(void)snprintf(memcached->wanted, sizeof(memcached->wanted), "%s", words == 2 ? name : group);
	(void)snprintf(memcached->ask, sizeof(memcached->ask), "stats%s%s\r\n", words == 2 ? " " : "",
		words == 2 ? group : "");
	return true;
}

static int open_memcached(const struct dependency *of, void **state, char *why, size_t why_bytes)
{
	struct memcached *memcached = calloc(1, sizeof(*memcached));

	if (!memcached)
		return -ENOMEM;
	memcached->link = TLS_LINK_NONE;
	memcached->on_unix = !strcmp(of->at.scheme, "unix");
	strcpy(memcached->ask, "version\r\n"); /* fits */
	if (*of->ask && !read_command(memcached, of->ask)) {
		(void)snprintf(why, why_bytes, "command: allowed: NAME or GROUP NAME of `stats`");
		free(memcached);
		return -EINVAL;
	}
	*state = memcached;
	return 0;
}

const struct probe_kind probe_kind = {
	.name = "memcached", .open = open_memcached, .ask = ask_memcached, .close = close_memcached};
