/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <jansson.h>

#include "base/config.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/status_view.h"

enum { COLUMNS_LEAST = 40, COLUMNS_MOST = 1000, COLUMNS_ELSE = 80, WATCH_MS = 1000 };

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number; /* only that it came counts */
	interrupted = 1;
}

/* COLUMNS wins over the terminal's own word; neither: 80. */
static struct status_screen look_at_screen(const char *const *environment)
{
	const char *columns = config_variable(environment, "COLUMNS"),
		   *no_colour = config_variable(environment, "NO_COLOR");
	const char *kind = config_variable(environment, "TERM");
	bool is_terminal = isatty(STDOUT_FILENO);
	struct status_screen screen = {.columns = columns ? (unsigned)strtoul(columns, NULL, 10) : 0};
	struct winsize size;

	if (!screen.columns && is_terminal && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
		screen.columns = size.ws_col;
	if (!screen.columns || screen.columns > COLUMNS_MOST)
		screen.columns = COLUMNS_ELSE;
	if (screen.columns < COLUMNS_LEAST)
		screen.columns = COLUMNS_LEAST;
	screen.colours = is_terminal && !(no_colour && *no_colour) && kind && strcmp(kind, "dumb");
	return screen;
}

static int show(
	const struct client_reply *reply, const struct client_place *place, const struct cli_words *words)
{
	json_t *document = json_loadb(reply->body, reply->bytes, 0, NULL);
	struct status_screen screen = look_at_screen((const char *const *)environ);
	int status;

	if (reply->status != 200 || !json_is_object(document)) {
		json_decref(document);
		if (reply->status == 404 && *place->prefix) {
			cli_complain("%s has that service no longer", place->name);
			return EXIT_NO_AGENT;
		}
		return client_complain(place, -EPROTO);
	}
	if (words->options[STATUS_JSON])
		printf("%s%s", reply->body,
			reply->body[reply->bytes - 1] == '\n' ? "" : "\n"); /* JSON holds no zero byte */
	else
		status_view_print(document, &screen);
	status = status_view_is_well(document) ? 0 : 1;
	json_decref(document);
	return status;
}

static int show_once(const struct client_place *place, const struct cli_words *words)
{
	struct client_reply reply;
	int result = client_ask(place, "GET", "/health/status", &reply);

	if (result)
		return client_complain(place, result);
	result = show(&reply, place, words);
	client_free(&reply);
	return result;
}

/* Home and clear to the end: the page stays where it is, what was below is gone. */
static void clear_screen(bool first)
{
	if (isatty(STDOUT_FILENO))
		printf("\033[H\033[J");
	else if (!first)
		printf("\n");
}

/* The agent may be away for a moment while it is replaced: watching goes on. */
static int watch(const struct client_place *place, const struct cli_words *words)
{
	struct sigaction action = {.sa_handler = on_signal};
	int status = EXIT_NO_AGENT;

	(void)sigaction(SIGINT, &action, NULL); /* cannot fail: these signals exist */
	(void)sigaction(SIGTERM, &action, NULL);
	for (bool first = true; !interrupted; first = false) {
		clear_screen(first);
		status = show_once(place, words);
		if (fflush(stdout))
			break; /* nobody reads any more */
		if (first && status == EXIT_NO_AGENT)
			break;
		if (!interrupted)
			(void)poll(NULL, 0, WATCH_MS); /* Ctrl-C ends it early */
	}
	return status;
}

int status_main(int argc, char **argv)
{
	struct client_place place = {0};
	struct cli_words words;
	int status = cli_read_words(&words, argc, argv);

	if (status >= 0)
		return status;
	if (words.operands) {
		cli_complain("status takes no words besides options; see 'lifesign help status'");
		return EXIT_USAGE;
	}
	status = client_find(&words, (const char *const *)environ, CLIENT_SERVICE, &place);
	if (status)
		return status;
	return words.options[STATUS_WATCH] ? watch(&place, &words) : show_once(&place, &words);
}
