/* SPDX-License-Identifier: Apache-2.0 */
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/client.h"
#include "cli/commands.h"

enum { DIGITS = 8, MOST = 366 * 86400, WAIT_MS = 2000, PAUSE_MS = 20 };

static int refuse(const char *what)
{
	cli_complain("%s; see 'lifesign help maintenance'", what);
	return EXIT_USAGE;
}

/* "90", "90s", "10m", "2h", "1d" in seconds; 0: none of these. */
static long read_span(const char *text)
{
	static const struct {
		const char *unit;
		long seconds;
	} units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
	size_t digits = strspn(text, "0123456789");

	for (size_t i = 0; digits && digits <= DIGITS && i < sizeof(units) / sizeof(*units); i++)
		if (!strcmp(text + digits, units[i].unit))
			return atol(text) * units[i].seconds;
	return 0;
}

/*
 * The agent takes the order at its next look. Who asks readyz after this command gets the new answer already; an
 * agent that looks more seldom than this waits has taken the order all the same.
 */
static void await_answer(const struct client_place *place, bool out_of_service)
{
	int64_t deadline = clock_mono_ns() + WAIT_MS * NS_PER_MS;
	unsigned wanted = out_of_service ? 503 : 200, status = 0;

	while (status != wanted && clock_mono_ns() < deadline) {
		struct client_reply reply;

		if (client_ask_by(place, "GET", "/readyz/maintenance", deadline, &reply))
			return;
		status = reply.status;
		client_free(&reply);
		if (status == 404) /* nobody is there to be out of service */
			return;
		if (status != wanted)
			(void)poll(NULL, 0, PAUSE_MS); /* asked again until the deadline */
	}
}

static int ask(const struct cli_words *words, const char *path, bool out_of_service, const char *done)
{
	struct client_place place = {0};
	struct client_reply reply;
	int result = client_find(words, (const char *const *)environ, CLIENT_AGENT, &place);
	unsigned status;

	if (result)
		return result;
	result = client_ask(&place, "POST", path, &reply);
	if (result)
		return client_complain(&place, result);
	status = reply.status;
	client_free(&reply);
	if (status / 100 == 2) {
		await_answer(&place, out_of_service);
		printf("%s\n", done);
		return 0;
	}
	cli_complain("%s refused (HTTP %u): it only takes orders on its unix socket in DIR", place.name, status);
	return EXIT_NOT_PERMITTED;
}

static int leave(const struct cli_words *words, long seconds)
{
	time_t end = (time_t)(clock_wall_ns() / NS_PER_SECOND) + seconds;
	char path[64], done[64] = "out of service";
	struct tm utc;

	(void)snprintf(path, sizeof(path), "/maintenance?for=%ld", seconds); /* fits */
	if (gmtime_r(&end, &utc))
		(void)strftime(done, sizeof(done), "out of service until %Y-%m-%dT%H:%M:%SZ", &utc);
	return ask(words, path, true, done);
}

int maintenance_main(int argc, char **argv)
{
	struct cli_words words;
	int status = cli_read_words(&words, argc, argv);
	const char *span;

	if (status >= 0)
		return status;
	if (words.operands != 1 || (strcmp(argv[1], "on") && strcmp(argv[1], "off")))
		return refuse("maintenance needs one word: on or off");
	span = words.options[MAINTENANCE_FOR];
	if (!strcmp(argv[1], "off"))
		return span ? refuse("--for goes with on") : ask(&words, "/maintenance?off", false, "back in service");
	if (!span)
		return ask(&words, "/maintenance", true, "out of service until 'lifesign maintenance off'");
	if (!read_span(span) || read_span(span) > MOST)
		return refuse("--for takes a number with s, m, h or d behind it, as in 10m, up to 366d");
	return leave(&words, read_span(span));
}
