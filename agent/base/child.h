/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What passes between the supervisor and the agent that it forks: the setup an agent is born with, and
 * the news it is sent while it lives.
 *
 * The supervisor is single-threaded and forks the agent without exec; the agent owns everything in its
 * setup from then on. Descriptors stay open in the supervisor, so an agent may die at any moment.
 */
#ifndef LS_CHILD_H
#define LS_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/settings.h"

enum { CHILD_LISTENERS = SETTINGS_LISTENS + 2 };

enum listener_kind { LISTENER_TCP, LISTENER_UNIX };

struct child_listener {
	int fd; /* listening, non-blocking, close-on-exec */
	enum listener_kind kind;
	bool loopback;                /* bound to a loopback address */
	char address[SETTINGS_TEXT];  /* for people: "http://127.0.0.1:8081", "unix:/run/lifesign/redis.sock" */
};

struct child_setup {
	struct settings settings;
	struct child_listener listeners[CHILD_LISTENERS];
	unsigned listener_count;
	int segment_fd;  /* -1 in a bare agent */
	int notebook_fd; /* watch/notebook.h; the agent alone writes it */
	int news_fd;     /* SOCK_SEQPACKET, non-blocking: struct supervisor_news comes in */
	pid_t supervisor;
	int64_t run_started; /* CLOCK_BOOTTIME ns */
	unsigned restarts;   /* agents before this one */
	bool bare;           /* after a crash loop: judge nothing, answer what can be answered */
};

/* The whole state each time, never a difference: the newest message wins. Version first. */
enum { SUPERVISOR_NEWS_VERSION = 1 };

struct supervisor_news {
	uint32_t version;
	int32_t main_pid;         /* 0 before COMMAND runs and after it is gone */
	uint8_t main_ended;       /* COMMAND (or the daemon it left behind) is gone for good */
	uint8_t reserved[3];
	int32_t main_status;      /* wait status when main_ended */
	int64_t main_started;     /* CLOCK_BOOTTIME ns of this main process; another value = a new main process */
	int64_t drain_since;      /* CLOCK_BOOTTIME ns, 0 = not draining */
	int32_t prober_pid;       /* 0 = none: not part of the service */
	uint32_t reserved2;
};

/*
 * The agent process: samples, judges, publishes, serves until the supervisor is gone (news_fd at end of file),
 * then ends with 0. Returns the exit status.
 */
int agent_main(const struct child_setup *setup);

#endif
