/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/try.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/dependency_set.h"
#include "base/dependency_table.h"
#include "probe/kinds.h"
#include "probe/measure.h"

enum { TRY_USAGE = 64, TRY_CONFIG = 78 };

/* 0, or the status to end with. */
static int find(const struct try *how, const char *const *environment, struct dependency_set **set, const struct dependency **of)
{
	struct complaints why = {0};
	int index;

	*set = how->config ? dependency_set_read(how->config, environment, &why) : dependency_set_of_url(how->what, &why);
	for (unsigned i = 0; i < why.count; i++)
		(void)fprintf(stderr, "lifesign: %s\n", why.text[i]);
	if (!*set)
		return how->config ? TRY_CONFIG : TRY_USAGE;
	index = how->config ? dependency_set_find(*set, how->what) : 0;
	if (index < 0) {
		(void)fprintf(stderr, "lifesign: %s: there is no dependency '%s'\n", how->config, how->what);
		return TRY_USAGE;
	}
	*of = &(*set)->list[index];
	return 0;
}

static void print(const struct probe_result *result)
{
	printf("%s", probe_status_text(result->status));
	if (result->error)
		printf(" %s", probe_error_text(result->error));
	if (*result->detail)
		printf(": %s", result->detail);
	if (*result->root)
		printf(" (root: %s)", result->root);
	printf("\n");
	if (*result->address)
		printf("  address %s\n", result->address);
	if (result->has_value)
		printf("  value   %g\n", result->value);
	for (unsigned phase = 0; phase < PHASES; phase++)
		if (result->phase_ns[phase])
			printf("  %-7s %9.3f ms\n", probe_phase_text(phase), (double)result->phase_ns[phase] / (double)NS_PER_MS);
	printf("  all     %9.3f ms\n", (double)(result->ended - result->began) / (double)NS_PER_MS);
	(void)fflush(stdout); /* whoever does not read does not want to know */
}

static int ask(const struct probe_kind *kind, void *state, const struct dependency *of, double seconds)
{
	static const int statuses[PROBE_STATUSES] = {[PROBE_UP] = 0, [PROBE_DEGRADED] = 1, [PROBE_DOWN] = 2, [PROBE_UNKNOWN] = 3};
	int64_t now = clock_mono_ns();
	struct probe_result result;
	struct attempt attempt;

	attempt_begin(&attempt, of, &result, now, now + (int64_t)(seconds * (double)NS_PER_SECOND));
	kind->ask(state, &attempt);
	attempt_end(&attempt);
	measure(of, &result);
	print(&result);
	return statuses[result.status];
}

/* A line may name its own budget: one connection is asked with patience, and hurried when its server hangs. */
static int ask_by_line(const struct probe_kind *kind, void *state, const struct dependency *of, double seconds)
{
	char line[64];
	int ret = 0;

	while (fgets(line, sizeof(line), stdin)) {
		double own = strtod(line, NULL);

		ret = ask(kind, state, of, own > 0 && own <= TRY_MOST_SECONDS ? own : seconds);
	}
	return ret;
}

int try_main(const struct try *how, const char *const *environment)
{
	struct dependency_set *set = NULL;
	const struct dependency *of = NULL;
	const struct probe_kind *kind;
	void *state = NULL;
	char why[256] = "";
	int ret = find(how, environment, &set, &of);

	(void)signal(SIGPIPE, SIG_IGN);
	if (!ret) {
		kind = kinds_load(of->kind, how->modules, why, sizeof(why));
		ret = kind ? kind->open(of, &state, why, sizeof(why)) : -ENOENT;
		if (ret) {
			(void)fprintf(stderr, "lifesign: %s\n", *why ? why : strerror(-ret));
			free(set);
			return kind && !how->config ? TRY_USAGE : TRY_CONFIG;
		}
		for (unsigned i = 0; !how->lines && i + 1 < how->times; i++)
			(void)ask(kind, state, of, how->timeout_seconds);
		ret = (how->lines ? ask_by_line : ask)(kind, state, of, how->timeout_seconds);
		kind->close(state);
	}
	free(set);
	return ret;
}
