/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks the agent to read its file again and waits until it says what came of it: the generation counts the
 * readings, the error is that of the last.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/text.h"
#include "cli/client.h"
#include "cli/commands.h"

enum { WAIT_MS = 3000, PAUSE_MS = 50 };

struct reading {
	json_int_t generation;
	char error[COMPLAINT_TEXT]; /* empty: taken over */
};

static int ask_reading(const struct client_place *place, struct reading *out)
{
	struct client_reply reply;
	int result = client_ask(place, "GET", "/health/status", &reply);
	json_t *document, *agent;
	const char *error;

	if (result)
		return result;
	document = json_loadb(reply.body, reply.bytes, 0, NULL);
	client_free(&reply);
	agent = json_object_get(document, "agent");
	if (!json_is_integer(json_object_get(agent, "config_generation"))) {
		json_decref(document);
		return -EPROTO;
	}
	error = json_string_value(json_object_get(agent, "config_error"));
	out->generation = json_integer_value(json_object_get(agent, "config_generation"));
	(void)snprintf(out->error, sizeof(out->error), "%s", error ? error : ""); /* cut when too long */
	text_sanitize(out->error);
	json_decref(document);
	return 0;
}

static int tell(const struct reading *reading)
{
	if (*reading->error) {
		cli_complain("the configuration was refused, nothing changed: %s", reading->error);
		return EXIT_CONFIG;
	}
	printf("configuration taken over\n");
	return 0;
}

static int await_reading(const struct client_place *place, json_int_t before)
{
	int64_t deadline = clock_mono_ns() + WAIT_MS * NS_PER_MS;
	struct reading reading = {.generation = before};

	while (clock_mono_ns() < deadline) {
		int result = ask_reading(place, &reading);

		if (result)
			return client_complain(place, result);
		if (reading.generation != before)
			return tell(&reading);
		(void)poll(NULL, 0, PAUSE_MS); /* asked again until the deadline */
	}
	cli_complain("%s was asked to reload but did not within %d s", place->name, WAIT_MS / 1000);
	return EXIT_NO_AGENT;
}

int reload_main(int argc, char **argv)
{
	struct client_place place = {0};
	struct client_reply reply;
	struct reading before;
	struct cli_words words;
	int result = cli_read_words(&words, argc, argv);

	if (result >= 0)
		return result;
	if (words.operands) {
		cli_complain("reload takes no words besides options; see 'lifesign help reload'");
		return EXIT_USAGE;
	}
	result = client_find(&words, (const char *const *)environ, CLIENT_AGENT, &place);
	if (result)
		return result;
	result = ask_reading(&place, &before);
	if (!result)
		result = client_ask(&place, "POST", "/reload", &reply);
	if (result)
		return client_complain(&place, result);
	if (reply.status / 100 != 2) {
		cli_complain("%s refused to reload (HTTP %u): it only does so on its unix socket in DIR",
			place.name, reply.status);
		client_free(&reply);
		return EXIT_NOT_PERMITTED;
	}
	client_free(&reply);
	return await_reading(&place, before.generation);
}
