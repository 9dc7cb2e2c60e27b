/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listening sockets, opened before COMMAND starts and kept open until the end: a connection is never
 * refused while agents come and go.
 * Threads: the supervisor. Failure: a `struct failure` with everything closed and removed again.
 */
#ifndef LS_LISTEN_H
#define LS_LISTEN_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/child.h"
#include "supervise/failure.h"

enum { LISTEN_NOTES = 4, LISTEN_NOTE_BYTES = 1536 };

/* A socket file of ours: removed at the end if it is still the one we made. */
struct listen_file {
	char path[SETTINGS_PATH];
	dev_t device;
	ino_t inode;
};

struct listen {
	struct child_listener all[CHILD_LISTENERS];
	struct listen_file files[CHILD_LISTENERS]; /* path "" : none */
	unsigned count;
	/* what the user should know, for the log once the addresses were named */
	char notes[LISTEN_NOTES][LISTEN_NOTE_BYTES];
	unsigned note_count;
};

/* All that `settings` ask for, and DIR/SERVICE.sock. 0 or the exit status. */
int listen_open(struct listen *out, const struct settings *settings, struct failure *why);

void listen_close(struct listen *listening);

/* The directory of a file, locked until it is closed; -1 when it cannot be: then two starters could meet, and one
 * would lose its file. */
int listen_lock_directory(const char *path);

/* A unix socket at `path`; a stale file there is replaced. Adds it. 0 or -errno; -EADDRINUSE: somebody answers. */
int listen_add_unix(struct listen *listening, const char *path);

#endif
