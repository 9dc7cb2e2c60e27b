/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds a running agent and asks it one thing over HTTP: a request, an answer, the connection closed.
 * Threads: main. Failure: -errno within CLIENT_MS, whatever the other side does. Memory: client_free.
 */
#ifndef LS_CLIENT_H
#define LS_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/settings.h"
#include "cli/commands.h"

enum {
	CLIENT_MS = 2000,       /* for all of one request */
	CLIENT_BYTES = 64 << 20, /* of an answer */
	CLIENT_PREFIX = 16 + 3 * SERVICE_NAME_BYTES
};

/* What a command asks of an agent that may have many services. */
enum client_want {
	CLIENT_SERVICE, /* one of them: several are no answer */
	CLIENT_WORST,   /* one of them when it was named, else the worst of all */
	CLIENT_AGENT    /* the agent itself, on the unix socket that takes orders: LIFESIGN_LISTEN is passed over */
};

struct client_place {
	struct address address;
	char host[SETTINGS_TEXT]; /* what the Host header says */
	char name[SETTINGS_PATH]; /* for people: "unix:/run/lifesign/orders.sock" */
	char prefix[CLIENT_PREFIX]; /* of every path: "/services/orders", or empty for all that is there */
};

struct client_reply {
	unsigned status;
	char verdict[16]; /* of the Lifesign-Verdict header; empty: none */
	char *body;       /* ends with a zero byte that is not counted */
	size_t bytes;
	char *whole; /* owner of the above */
};

/*
 * The agent, and the service there, that the command's words and the environment mean: one that takes
 * connections. 0, or the exit status after saying where it looked and what to do.
 */
int client_find(const struct cli_words *words, const char *const *environment, enum client_want want,
	struct client_place *out);

/* 0 or -errno: -ETIMEDOUT, -EPROTO for what is no HTTP, -EMSGSIZE for too much of it, or what connecting said. */
int client_ask(
	const struct client_place *place, const char *method, const char *path, struct client_reply *out);

/* The same with a deadline (clock_mono_ns) of the caller's. */
int client_ask_by(const struct client_place *place, const char *method, const char *path, int64_t deadline,
	struct client_reply *out);

/* Says why client_ask got no answer. Returns EXIT_NO_AGENT. */
int client_complain(const struct client_place *place, int error);
void client_free(struct client_reply *reply);

/* Connects within `deadline` (clock_mono_ns): a descriptor or -errno. */
int client_connect(const struct address *address, int64_t deadline);

#endif
