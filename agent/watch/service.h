/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that the sampler knows of one service, and the steps of its tick: sweep, look, judge, tell.
 * What services share (the census, the settings, the budget of questions) is the fleet's.
 * Threads: the sampler alone.
 */
#ifndef LS_SERVICE_H
#define LS_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "judge/verdict.h"
#include "state/snapshot.h"
#include "base/child.h"
#include "watch/gates.h"
#include "watch/limits.h"
#include "watch/listeners.h"
#include "watch/naming.h"
#include "watch/notebook.h"
#include "watch/on_dead.h"
#include "watch/picture.h"
#include "watch/port.h"
#include "watch/progress.h"
#include "watch/proofs.h"
#include "watch/recorder.h"
#include "watch/slots.h"
#include "watch/suspects.h"
#include "watch/tree.h"

/* What is the same for all services of an agent. */
struct service_common {
	const struct child_setup *setup;
	struct settings settings; /* replaced by a reload */
	char config_error[SNAPSHOT_DETAIL];
	struct dependencies *dependencies; /* the fleet's */
	int64_t maintenance;      /* since when it is out of service, 0 = it is not */
	int64_t drain_since;      /* of the agent as a whole */
	struct recorder *recorder; /* NULL: nothing is recorded */
	unsigned services;        /* how many there are: the more, the longer the pauses */
};

struct service {
	const struct service_common *common;
	char name[SERVICE_NAME_BYTES];
	struct snapshot_seat *seat;
	struct supervisor_news news;
	struct notebook notebook;
	struct slots slots;
	struct tree tree;
	struct listeners listeners;
	struct port_check port;
	struct proofs proofs;
	struct progress progress;
	struct limits limits;
	uint8_t told_levels[ROW_COUNT]; /* enum ladder_level that was logged of each row */
	struct gates gates; /* of the main process */
	char main_state;    /* … of its first thread, as the kernel says */
	pid_t main_seen;    /* … for which that was asked */
	int64_t main_read;
	struct verdicts verdicts;
	struct on_dead_hold on_dead;
	struct picture_due picture;
	struct recorder_track *record;
	bool covered;   /* a process that counts leaves traces */
	unsigned dependencies_told; /* generation of the dependencies that was published */
	bool unsettled; /* a process is too young to tell */
	bool changed;   /* an answer differs from what was published */
	/* when facts were first seen; 0 = they do not hold (CLOCK_BOOTTIME ns) */
	int64_t deadlock, orphaned_lock;
	pid_t told_first; /* the first thread of the proof that was logged, 0 = none stands */
	struct naming naming;
	enum reason_code note_due; /* of the death that a note is still to be left of */
	int64_t exited, suspended, frozen, core_dump, traced, main_waiting;
	/* usage of the service, from the last pass over its processes */
	uint32_t open_fds;
	bool open_fds_known;
	int64_t tree_read, listeners_read, gates_read, published, saved;
	double sweep_seconds;
};

struct service_parts {
	const char *name;
	int segment_fd;  /* not looked at by a bare agent */
	int notebook_fd;
};

/* 0 or -errno: the segment or the notebook cannot be used, or the name is taken. Both descriptors stay the caller's. */
int service_start(struct service *service, const struct service_common *common, const struct service_parts *parts);

/* The service was started anew: another segment under the same notebook. 0 or -errno. */
int service_take_over(struct service *service, int segment_fd);

/* Another name; the old one is gone for readers a moment after the new one is there. */
void service_rename(struct service *service, const char *name);
void service_stop(struct service *service);

/* After new settings were taken over. */
void service_configure(struct service *service);

/* The steps of a tick, in this order. `now` is CLOCK_BOOTTIME ns. */
void service_sweep(struct service *service, int64_t now);
/* How far its ticks are apart when nothing is late, ns. */
int64_t service_period_ns(const struct service *service);

/* Is it a service for sure: it listens or has, or was named as one, or has run for a while? The whole is judged by
 * these; a command that somebody runs beside them comes and goes without a trace. */
bool service_is_settled(const struct service *service);
bool service_wants_tree(const struct service *service, int64_t now);
void service_read_tree(struct service *service, int32_t owner, int64_t now); /* from a census taken now */
void service_look(struct service *service, struct suspects_budget *left, int64_t now);
void service_tell(struct service *service, int64_t now);

#endif
