/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One probe as an exit status. livez errs on the side of living: only the verdict dead fails it, for a restart
 * follows. The other two err on the side of no traffic.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/client.h"
#include "cli/commands.h"

enum outcome { OUTCOME_OK, OUTCOME_DEGRADED, OUTCOME_FAILED, OUTCOME_UNKNOWN, OUTCOMES };

static const char *const nagios_words[OUTCOMES] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};
static const char *const words_of[OUTCOMES] = {"ok", "ok, degraded", "failed", "cannot tell"};
static const char *const probes[] = {"livez", "readyz", "startupz"};

struct finding {
	enum outcome outcome;
	char reasons[256]; /* codes, or why nobody can tell; empty: nothing to say */
};

static void say(struct finding *finding, enum outcome outcome, const char *reason)
{
	finding->outcome = outcome;
	(void)snprintf(finding->reasons, sizeof(finding->reasons), "%s", reason); /* cut when too long */
}

/* Collects CODE of each line `[-]CODE failed: …`; true when that is only `stale`: the agent cannot see. */
static bool collect_failures(struct finding *finding, const char *body)
{
	size_t used = 0;
	bool only_stale = true;

	for (const char *line = strstr(body, "[-]"); line; line = strstr(line + 3, "[-]")) {
		int length = (int)strcspn(line + 3, " \r\n");

		if (used + (size_t)length + 3 >= sizeof(finding->reasons))
			break;
		only_stale = only_stale && length == 5 && !strncmp(line + 3, "stale", 5);
		used += (size_t)snprintf(finding->reasons + used, sizeof(finding->reasons) - used, "%s%.*s",
			used ? ", " : "", length, line + 3);
	}
	text_sanitize(finding->reasons);
	return used && only_stale;
}

static void judge_livez(struct finding *finding, const struct client_reply *reply)
{
	if (!strcmp(reply->verdict, "dead")) {
		finding->outcome = OUTCOME_FAILED;
		(void)collect_failures(finding, reply->body); /* dead whatever the codes are */
	} else if (!strcmp(reply->verdict, "alive") || !strcmp(reply->verdict, "degraded")) {
		finding->outcome = *reply->verdict == 'd' ? OUTCOME_DEGRADED : OUTCOME_OK;
	} else {
		say(finding, OUTCOME_UNKNOWN,
			*reply->verdict ? "verdict unknown" : "the answer has no verdict");
	}
}

static void judge_other(struct finding *finding, const struct client_reply *reply)
{
	if (reply->status == 200) {
		finding->outcome = strcmp(reply->verdict, "degraded") ? OUTCOME_OK : OUTCOME_DEGRADED;
	} else if (reply->status == 503 && *reply->verdict) {
		finding->outcome = collect_failures(finding, reply->body) ? OUTCOME_UNKNOWN : OUTCOME_FAILED;
	} else {
		(void)snprintf(finding->reasons, sizeof(finding->reasons), "HTTP %u is no answer of an agent",
			reply->status);
		finding->outcome = OUTCOME_UNKNOWN;
	}
}

/* Exit statuses by outcome: livez, the others, --strict, --nagios. */
static int status_of(enum outcome outcome, const char *probe, const struct cli_words *words)
{
	static const int lenient[OUTCOMES] = {0, 0, 1, 0}, firm[OUTCOMES] = {0, 0, 1, 1};
	static const int strict[OUTCOMES] = {0, 0, 1, 2}, nagios[OUTCOMES] = {0, 1, 2, 3};

	if (words->options[CHECK_NAGIOS])
		return nagios[outcome];
	if (words->options[CHECK_STRICT])
		return strict[outcome];
	return strcmp(probe, "livez") ? firm[outcome] : lenient[outcome];
}

static int tell(const struct finding *finding, const char *probe, const struct cli_words *words)
{
	if (words->options[CHECK_NAGIOS])
		printf("LIFESIGN %s - ", nagios_words[finding->outcome]);
	printf("%s %s%s%s\n", probe, words_of[finding->outcome], *finding->reasons ? ": " : "",
		finding->reasons);
	return status_of(finding->outcome, probe, words);
}

/* readyz itself does not tell: a soft dependency that is down, or failOpen. */
static void look_for_warnings(struct finding *finding, const struct client_place *place)
{
	static const char warning[] = "{\"status\":\"warn\"";
	struct client_reply reply;

	if (client_ask(place, "GET", "/health", &reply))
		return; /* it answered a moment ago: what it said counts */
	if (reply.status == 200 && !strncmp(reply.body, warning, sizeof(warning) - 1))
		finding->outcome = OUTCOME_DEGRADED;
	client_free(&reply);
}

static int ask(const struct client_place *place, const char *probe, const struct cli_words *words)
{
	struct finding finding = {OUTCOME_OK, ""};
	struct client_reply reply;
	char path[32];
	int result;

	(void)snprintf(path, sizeof(path), "/%s?verbose", probe); /* the longest fits */
	result = client_ask(place, "GET", path, &reply);
	if (result == -ECONNREFUSED || result == -ENOENT)
		return client_complain(place, result);
	if (result) {
		(void)snprintf(finding.reasons, sizeof(finding.reasons), "no answer (%s)",
			strerror(-result)); /* short */
		finding.outcome = OUTCOME_UNKNOWN;
		return tell(&finding, probe, words);
	}
	(strcmp(probe, "livez") ? judge_other : judge_livez)(&finding, &reply);
	client_free(&reply);
	if (words->options[CHECK_NAGIOS] && finding.outcome == OUTCOME_OK && !strcmp(probe, "readyz"))
		look_for_warnings(&finding, place);
	return tell(&finding, probe, words);
}

static const char *find_probe(const char *name)
{
	struct text_nearest nearest = {.word = name};

	for (unsigned i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
		if (!strcmp(probes[i], name))
			return probes[i];
		text_offer(&nearest, probes[i]);
	}
	if (nearest.best)
		cli_complain("unknown probe '%.64s' (did you mean '%s'?); see 'lifesign help check'", name,
			nearest.best);
	else
		cli_complain(
			"unknown probe '%.64s', allowed: livez, readyz, startupz; see 'lifesign help check'",
			name);
	return NULL;
}

int check_main(int argc, char **argv)
{
	struct client_place place = {0};
	struct cli_words words;
	const char *probe = probes[0];
	int status = cli_read_words(&words, argc, argv);

	if (status >= 0)
		return status;
	if (words.operands > 1 || (words.options[CHECK_STRICT] && words.options[CHECK_NAGIOS])) {
		cli_complain("%s; see 'lifesign help check'",
			words.operands > 1 ? "check asks one probe at a time"
					   : "--strict and --nagios exclude each other");
		return EXIT_USAGE;
	}
	if (words.operands)
		probe = find_probe(argv[1]);
	if (!probe)
		return EXIT_USAGE;
	status = client_find(&words, (const char *const *)environ, CLIENT_WORST, &place);
	return status ? status : ask(&place, probe, &words);
}
