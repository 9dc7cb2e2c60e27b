/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <jansson.h>

#include "cli/client.h"
#include "cli/commands.h"
#include "cli/root_walk.h"
#include "explain/explain.h"

enum { PAGE_BYTES = 16 << 20 };

static int refuse(const char *what)
{
	cli_complain("%s; see 'lifesign help explain'", what);
	return EXIT_USAGE;
}

/* A pid of another machine means nothing here. */
static bool is_here(const struct client_place *place)
{
	return place->address.socket.ss_family == AF_UNIX || address_is_loopback(&place->address);
}

/* The main process of the service that the agent watches: 0, or an exit status after complaining. Tells why that service
 * is not ready, if so; *pid stays 0 when all is said by that. */
static int ask_agent(const struct cli_words *words, pid_t *pid, struct explain_because *because)
{
	struct client_place place = {0};
	struct client_reply reply;
	json_t *document;
	int status = client_find(words, (const char *const *)environ, CLIENT_SERVICE, &place);

	if (status == EXIT_NO_AGENT && !words->options[ASK_URL] && !words->options[ASK_SERVICE])
		cli_complain("explain needs a PID or TID where no agent runs; see 'lifesign help explain'");
	if (status)
		return status;
	if (client_ask(&place, "GET", "/health/status", &reply)) {
		cli_complain("%s does not answer as an agent does: name a PID", place.name);
		return EXIT_NO_AGENT;
	}
	document = json_loadb(reply.body, reply.bytes, 0, NULL);
	root_walk(&place, document, because);
	if (!words->options[EXPLAIN_JSON])
		root_walk_print(because);
	*pid = !is_here(&place) ? 0 : (pid_t)json_integer_value(
		json_object_get(json_array_get(json_object_get(document, "processes"), 0), "pid"));
	json_decref(document);
	client_free(&reply);
	if (*pid > 0 || !is_here(&place))
		return 0;
	cli_complain("%s shows no process: name a PID", place.name);
	return EXIT_NO_AGENT;
}

static int complain(pid_t pid, int error)
{
	if (error == -ESRCH) {
		cli_complain("no such process or thread: %d", pid);
		return EXIT_NO_AGENT;
	}
	if (error == -EPERM) {
		cli_complain("process %d may not be read: run this as its user, or as root with CAP_SYS_PTRACE",
			pid);
		return EXIT_NOT_PERMITTED;
	}
	cli_complain("process %d cannot be explained: no memory", pid);
	return EXIT_NOT_PERMITTED;
}

static int print(const struct explain *explain, const struct explain_because *because, bool as_json)
{
	struct buf page;

	buf_start(&page, PAGE_BYTES);
	if (as_json)
		explain_print_json(explain, because, &page);
	else
		explain_print(explain, &page);
	if (page.failed)
		cli_complain("the page is too long, its end is missing");
	if (page.data)
		(void)fwrite(
			page.data, 1, page.used, stdout); /* nobody reads any more: nothing to do about it */
	buf_free(&page);
	return 0;
}

int explain_main(int argc, char **argv)
{
	static struct explain explain; /* large */
	static struct explain_because because;
	struct cli_words words;
	pid_t pid = 0;
	bool as_json;
	int status = cli_read_words(&words, argc, argv), error;

	if (status >= 0)
		return status;
	if (words.operands > 1 || (words.operands == 1 && !cli_read_pid(argv[1], &pid)))
		return refuse("explain takes one PID or TID");
	if (!words.operands && (status = ask_agent(&words, &pid, &because)))
		return status;
	as_json = words.options[EXPLAIN_JSON] != NULL;
	if (!pid)
		return as_json ? print(&explain, &because, true) : 0;
	error = explain_look(&explain, pid);
	status = error ? complain(pid, error) : print(&explain, &because, as_json);
	explain_end(&explain);
	return status;
}
