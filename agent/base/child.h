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
	bool many;       /* `lifesign agent`: services come and go by the news, each with its own segment and notebook */
	int segment_fd;  /* of COMMAND; -1 in a bare agent and when `many` */
	int notebook_fd; /* watch/notebook.h, of COMMAND, or the agent's own when `many`; the agent alone writes it */
	int news_fd;     /* SOCK_SEQPACKET, non-blocking: struct supervisor_news comes in */
	pid_t supervisor;
	int probe_fd, board_fd; /* base/probe_plan.h: of the prober's socket our end, and the board; -1 none */
	int record_fd;   /* of settings.record, appended to; not looked at without one */
	int64_t run_started; /* CLOCK_BOOTTIME ns */
	unsigned restarts;   /* agents before this one */
	bool bare;           /* after a crash loop: judge nothing, answer what can be answered */
};

/*
 * The whole state of one service each time, never a difference: its newest message wins. Version first.
 * `run` has the one service 0, whose descriptors are in the setup. With `agent`, the first message that an
 * agent gets of a service, and each one after a take-over (the service was started anew), carries two
 * descriptors as SCM_RIGHTS, {segment, notebook}; a bare agent looks at the notebook only.
 */
enum { SUPERVISOR_NEWS_VERSION = 3 };

/* How far liveness.onDead has come since the service was found dead. */
enum on_dead_state { ON_DEAD_NONE, ON_DEAD_RUNNING, ON_DEAD_OVER };

enum news_kind {
	NEWS_STATE, /* the service as it is now; an unknown id is a new one */
	NEWS_GONE,  /* the service is forgotten: id only */
	NEWS_AGENT  /* of the agent as a whole: drain_since and reloads only. A new agent gets it behind all services: before
		     * it, a service that it does not know is one that it has not heard of yet */
};

struct supervisor_news {
	uint32_t version;
	uint32_t kind;            /* enum news_kind */
	uint32_t service;         /* id; never used again by the same supervisor */
	uint32_t reloads;         /* NEWS_AGENT: another value asks for the configuration to be read again */
	char name[SERVICE_NAME_BYTES]; /* unique among the services of the moment; may change (exec of another program) */
	int32_t main_pid;         /* 0 before COMMAND runs, after it is gone, and in a pid namespace that we do not see */
	uint8_t main_ended;       /* COMMAND (or the daemon it left behind) is gone for good */
	uint8_t unseen_pids;      /* its pids mean nothing here: another pid namespace, coverage `slots` */
	uint8_t named;            /* by LIFESIGN_SERVICE: meant to be a service, whatever it does */
	uint8_t on_dead;          /* enum on_dead_state */
	int32_t main_status;      /* wait status when main_ended; 0 when it is not known */
	int32_t prober_pid;       /* 0 = none: not part of the service */
	int64_t main_started;     /* CLOCK_BOOTTIME ns of this main process; another value = a new main process */
	int64_t drain_since;      /* CLOCK_BOOTTIME ns, 0 = not draining */
	int64_t joined;           /* CLOCK_BOOTTIME ns: the service's own run_started */
	int32_t on_dead_pid;      /* of that command while it runs, 0 = none: not part of the service */
	int32_t reserved;
};

/*
 * What an agent says to the supervisor, over the same socket: a service was found dead, and liveness.onDead is to be
 * run if it was not since it was last alive; or it is alive again, so that the next death is another one.
 */
enum { AGENT_NOTICE_VERSION = 1 };

enum notice_kind { NOTICE_DEAD, NOTICE_ALIVE };

struct agent_notice {
	uint32_t version;
	uint32_t kind;    /* enum notice_kind */
	uint32_t service; /* id */
	uint32_t reason;  /* enum reason_code */
	int32_t pid, tid; /* of whom the reason names, 0 unknown */
};

/*
 * The agent process: samples, judges, publishes, serves until the supervisor is gone (news_fd at end of file),
 * then ends with 0. Returns the exit status.
 */
int agent_main(const struct child_setup *setup);

#endif
