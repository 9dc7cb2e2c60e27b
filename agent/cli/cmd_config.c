/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "cli/client.h"
#include "cli/commands.h"
#include "cli/config_down.h"
#include "cli/config_suggest.h"

/* The complaints are what was asked for: they go to standard output. */
static int check_file(const char *path)
{
	struct complaints why;
	enum settings_result result = settings_check_file(path, (const char *const *)environ, &why);

	for (unsigned i = 0; i < why.count; i++)
		printf("%s\n", why.text[i]);
	if (why.unseen)
		printf("%s: … and %u more\n", path, why.unseen);
	if (result == SETTINGS_OK)
		printf("%s: ok\n", path);
	return result;
}

static int refuse(const char *what)
{
	cli_complain("%s; see 'lifesign help config'", what);
	return EXIT_USAGE;
}

/* Of the service that an agent here watches: 0, or the exit status after complaining. */
static int ask_main_pid(const struct cli_words *words, pid_t *pid)
{
	struct client_place place = {0};
	struct client_reply reply;
	int status = client_find(words, (const char *const *)environ, CLIENT_SERVICE, &place);
	json_t *document;

	if (status)
		return status;
	status = client_ask(&place, "GET", "/health/status", &reply);
	if (status)
		return client_complain(&place, status);
	document = json_loadb(reply.body, reply.bytes, 0, NULL);
	*pid = (pid_t)json_integer_value(json_object_get(json_array_get(json_object_get(document, "processes"), 0), "pid"));
	json_decref(document);
	client_free(&reply);
	if (*pid > 0)
		return 0;
	cli_complain("%s shows no process: name a PID", place.name);
	return EXIT_NO_AGENT;
}

static int suggest(const struct cli_words *words, char **argv)
{
	pid_t pid = 0;
	int status = 0;

	if (words->operands > 2 || (words->operands == 2 && !cli_read_pid(argv[2], &pid)))
		return refuse("config suggest takes one PID");
	if (!pid)
		status = ask_main_pid(words, &pid);
	return status ? status : config_suggest(pid);
}

int config_main(int argc, char **argv)
{
	struct cli_words words;
	int status = cli_read_words(&words, argc, argv);

	if (status >= 0)
		return status;
	if (words.operands == 1 && !strcmp(argv[1], "reference")) {
		settings_print_reference();
		return 0;
	}
	if (words.operands && !strcmp(argv[1], "suggest"))
		return suggest(&words, argv);
	if (!words.operands || strcmp(argv[1], "check"))
		return refuse("config needs one of: check FILE, suggest [PID], reference");
	if (words.operands == 1)
		return refuse("config check needs a FILE");
	status = 0;
	for (int i = 2; i <= words.operands; i++) {
		if (check_file(argv[i]))
			status = EXIT_CONFIG;
		else if (words.options[CONFIG_DOWN] && config_down(argv[i], words.options[CONFIG_DOWN]))
			status = EXIT_CONFIG;
	}
	return status;
}
