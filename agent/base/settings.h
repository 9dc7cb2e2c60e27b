/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the user asked for, after defaults, file, LIFESIGN_… variables and options were laid over each
 * other in this order. One table (settings.c) has every key with its type, range, default, option and
 * variable; `help`, `config check` and the docs come from it.
 * Ownership: plain data, no pointers: copied whole.
 */
#ifndef LS_SETTINGS_H
#define LS_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"

enum {
	SETTINGS_LISTENS = 8,
	SETTINGS_TEXT = 256,
	SETTINGS_PATH = 1024,
	SETTINGS_COMMAND = 16,
	SERVICE_NAME_BYTES = 64
};

enum startup_port { STARTUP_PORT_ABSENT, STARTUP_PORT_NONE, STARTUP_PORT_NUMBER };
enum liveness_mode { LIVENESS_ENFORCE, LIVENESS_OBSERVE };
enum deadlock_mode { DEADLOCK_CRITICAL, DEADLOCK_ANY, DEADLOCK_OFF };

struct settings {
	char service[SERVICE_NAME_BYTES]; /* empty until known: run names it after COMMAND */
	char service_version[SETTINGS_TEXT]; /* empty = null */
	char listen[SETTINGS_LISTENS][SETTINGS_TEXT]; /* as written */
	unsigned listens;
	bool listen_asked; /* by option, variable or file: a taken port is then fatal */
	char config[SETTINGS_PATH];
	char dir[SETTINGS_PATH];
	char shim[SETTINGS_PATH];
	char log_file[SETTINGS_PATH];
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
	} readiness;
};

#endif
