/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the user asked for, after defaults, file, LIFESIGN_… variables and options were laid over each
 * other in this order. One table (settings_table.c) has every key with its type, range, default, option
 * and variable; `help`, `config check` and the docs come from it.
 * Ownership: plain data, no pointers: copied whole.
 */
#ifndef LS_SETTINGS_H
#define LS_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/complaints.h"
#include "base/log.h"

enum {
	SETTINGS_LISTENS = 8,
	SETTINGS_TEXT = 256,
	SETTINGS_PEERS = 1000,
	SETTINGS_PATH = 1024,
	SETTINGS_COMMAND = 16,
	SERVICE_NAME_BYTES = 64
};

enum startup_port { STARTUP_PORT_ABSENT, STARTUP_PORT_NONE, STARTUP_PORT_NUMBER };
enum liveness_mode { LIVENESS_ENFORCE, LIVENESS_OBSERVE };
enum deadlock_mode { DEADLOCK_CRITICAL, DEADLOCK_ANY, DEADLOCK_OFF };

struct settings {
	char service[SERVICE_NAME_BYTES];             /* empty until known: run names it after COMMAND */
	char service_version[SETTINGS_TEXT];          /* empty = null */
	char listen[SETTINGS_LISTENS][SETTINGS_TEXT]; /* as written */
	unsigned listens;
	bool listen_asked; /* by option, variable or file: a taken port is then fatal */
	char config[SETTINGS_PATH];
	char dir[SETTINGS_PATH];
	char shim[SETTINGS_PATH];
	char log_file[SETTINGS_PATH];
	char record[SETTINGS_PATH]; /* empty: nothing is recorded */
	unsigned record_megabytes;
	double drain_seconds;
	bool observe, details, debug, debug_all, log_requests;
	unsigned slots; /* a power of two */
	enum log_format log_format;
	enum log_level log_level;
	struct {
		enum startup_port port_mode;
		unsigned port;
		double period_seconds;
		unsigned failure_threshold;
	} startup;
	struct {
		enum liveness_mode mode;
		double sample_seconds;
		double loop_blocked_seconds, loop_spinning_seconds, no_progress_seconds;
		double pool_exhausted_seconds, idle_with_backlog_seconds; /* 0: not given */
		enum deadlock_mode deadlock;
		bool knock;
		char on_dead[SETTINGS_COMMAND][SETTINGS_TEXT];
		unsigned on_dead_words;
		double on_dead_wait_seconds;
	} liveness;
	struct {
		double period_seconds, timeout_seconds, fast_seconds;
		unsigned failure_threshold, success_threshold;
		double queue_share, memory_share;
		bool all_hard_down; /* failOpen … */
		char peers[SETTINGS_PEERS];
		double peer_share;
	} readiness;
	unsigned dependencies;       /* how many the file has: base/dependency_set.h */
	uint64_t dependencies_epoch; /* of that set; 0 without a file */
};

/* What settings_load found; the failures are also the exit statuses of the contract. */
enum settings_result { SETTINGS_OK = 0, SETTINGS_HELP = 1, SETTINGS_USAGE = 64, SETTINGS_CONFIG = 78 };

struct dependency_set;

/* The dependencies of the file that was taken over last; NULL: no file. The next reading frees it. */
const struct dependency_set *settings_dependencies(void);

/*
 * Everything that decides the settings is passed in. argv[0] is the command's own name; *first_operand becomes
 * the index of COMMAND, or argc when there is none. On failure `out` is untouched and `why` tells all of it.
 */
enum settings_result settings_load(struct settings *out, int argc, char **argv, const char *const *environment,
	int *first_operand, struct complaints *why);

/* `config check`: reads only the file, over the defaults. SETTINGS_OK or SETTINGS_CONFIG. */
enum settings_result settings_check_file(
	const char *path, const char *const *environment, struct complaints *why);

/*
 * Remembers (copies) what `loaded` came from, for settings_reload. Not thread-safe: called before the agent is
 * forked, which inherits it. 0 or -ENOMEM.
 */
int settings_remember(const struct settings *loaded, int argc, char **argv, const char *const *environment);

/*
 * Reads the file again under the remembered options and variables. What cannot change while a service runs
 * (`fixed` in the table) must be as it was, else the file is refused. 0 or -EINVAL with `next` untouched and
 * the reason in `error`; -ENOENT when no file was configured.
 */
int settings_reload(const struct settings *now, struct settings *next, char *error, size_t error_bytes);

/* Is the file another one than when it was read last, by whichever process was forked since? */
bool settings_file_changed(const char *path);

/* DIR of the contract when nobody named one. 0 or -ENAMETOOLONG. */
int settings_default_dir(const char *const *environment, unsigned uid, char *out, size_t bytes);

/* The service's name when nobody gave one: the base name of COMMAND, made fit for a file name. */
void settings_name_service(char out[SERVICE_NAME_BYTES], const char *command);

/* The options as `help` prints them, and the whole reference as configuration.md (both from the table). */
void settings_print_options(void);
void settings_print_reference(void);

#endif
