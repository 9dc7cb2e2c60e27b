/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds a running agent and asks it one thing over HTTP: a request, an answer, the connection closed.
 * Threads: main. Failure: -errno within CLIENT_MS, whatever the other side does. Memory: client_free.
 */
#ifndef LS_CLIENT_H
#define LS_CLIENT_H

#include <stddef.h>

#include "base/address.h"
#include "base/settings.h"
#include "cli/commands.h"

enum {
	CLIENT_MS = 2000,       /* for all of one request */
	CLIENT_BYTES = 64 << 20 /* of an answer */
};

struct client_place {
	struct address address;
	char host[SETTINGS_TEXT]; /* what the Host header says */
	char name[SETTINGS_PATH]; /* for people: "unix:/run/lifesign/orders.sock" */
};

struct client_reply {
	unsigned status;
	char verdict[16]; /* of the Lifesign-Verdict header; empty: none */
	char *body;       /* ends with a zero byte that is not counted */
	size_t bytes;
	char *whole; /* owner of the above */
};

/*
 * The agent that the command's words and the environment mean, one that takes connections. 0, or the exit
 * status after saying where it looked and what to do. `orders`: for what only unix sockets take, then
 * LIFESIGN_LISTEN is passed over.
 */
int client_find(
	const struct cli_words *words, const char *const *environment, bool orders, struct client_place *out);

/* 0 or -errno: -ETIMEDOUT, -EPROTO for what is no HTTP, -EMSGSIZE for too much of it, or what connecting said.
 */
int client_ask(
	const struct client_place *place, const char *method, const char *path, struct client_reply *out);
void client_free(struct client_reply *reply);

/* Connects within `deadline` (clock_mono_ns): a descriptor or -errno. */
int client_connect(const struct address *address, int64_t deadline);

#endif
