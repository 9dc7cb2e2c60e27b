/* SPDX-License-Identifier: Apache-2.0 */
#include "base/settings_table.h"

#define FIELD(member) .offset = offsetof(struct settings, member), .bytes = sizeof(((struct settings *)0)->member)
#define VALUE(name_, argument_, help_) .option = { (name_), OPTION_VALUE, (argument_), (help_) }
#define SWITCH(name_, help_) .option = { (name_), OPTION_SWITCH, NULL, (help_) }
#define FILE_ONLY(help_) .option = { NULL, OPTION_VALUE, NULL, (help_) }

static const char *const modes[] = { "enforce", "observe", NULL };
static const char *const deadlocks[] = { "critical", "any", "off", NULL };
static const char *const formats[] = { "text", "json", NULL };
static const char *const levels[] = { "error", "warn", "info", "debug", NULL };

static const double day = 86400;

const struct setting settings_table[] = {
	{ .key = "listen", VALUE("listen", "ADDRESS", "Where to answer probes; may be given several times."),
		.variable = "LIFESIGN_LISTEN", .type = SETTING_LISTEN, FIELD(listen), .fixed = true,
		.standard_text = "127.0.0.1:8081; :8081 in Kubernetes" },
	{ VALUE("config", "FILE", "Configuration in YAML; read again when it changes."), .variable = "LIFESIGN_CONFIG",
		.type = SETTING_TEXT, FIELD(config), .fixed = true },
	{ .key = "service", VALUE("service", "NAME", "The service's name in logs, metrics and DIR/NAME.sock."),
		.variable = "LIFESIGN_SERVICE", .type = SETTING_NAME, FIELD(service), .fixed = true,
		.standard_text = "COMMAND's base name" },
	{ .key = "serviceVersion", VALUE("service-version", "V", "The service's version, shown in the status."),
		.variable = "LIFESIGN_SERVICE_VERSION", .type = SETTING_TEXT, FIELD(service_version) },
	{ .key = "dir", VALUE("dir", "DIR", "Directory of the unix socket that status, check and reload use."),
		.variable = "LIFESIGN_DIR", .type = SETTING_TEXT, FIELD(dir), .fixed = true,
		.standard_text = "$RUNTIME_DIRECTORY, else /run/lifesign (root), else $XDG_RUNTIME_DIR/lifesign, else "
			"/tmp/lifesign-UID" },
	{ .key = "drainSeconds", VALUE("drain", "SECONDS", "After TERM, INT or QUIT: how long readyz says draining before "
		"COMMAND gets the signal."), .variable = "LIFESIGN_DRAIN", .type = SETTING_SECONDS, .most = 3600,
		.standard = "0", FIELD(drain_seconds) },
	{ SWITCH("observe", "What would be dead is logged, counted and shown; livez stays 200. As liveness.mode: observe."),
		.variable = "LIFESIGN_OBSERVE", .type = SETTING_OBSERVE, FIELD(liveness.mode), .standard_text = "false" },
	{ .key = "details", SWITCH("details", "Free text, addresses and command lines in answers to everybody."),
		.variable = "LIFESIGN_DETAILS", .type = SETTING_SWITCH, .standard = "false", FIELD(details) },
	{ .key = "debug", .option = { "debug", OPTION_EITHER, "all", "The /debug endpoints on loopback and unix listeners; "
		"all: on every one." }, .variable = "LIFESIGN_DEBUG", .type = SETTING_DEBUG, .standard = "false",
		FIELD(debug), .idle = true },
	{ .key = "shim", VALUE("shim", "FILE", "The preload object."), .variable = "LIFESIGN_SHIM", .type = SETTING_TEXT,
		FIELD(shim), .fixed = true, .standard_text = "liblifesign.so beside lifesign, else in ../lib" },
	{ .key = "slots", VALUE("slots", "N", "Threads that can be seen at a time; rounded up to a power of two."),
		.variable = "LIFESIGN_SLOTS", .type = SETTING_SLOTS, .least = 64, .most = 65536, .standard = "8192",
		FIELD(slots), .fixed = true },
	{ .key = "logFormat", VALUE("log-format", "FORMAT", "How log lines look."), .variable = "LIFESIGN_LOG_FORMAT",
		.type = SETTING_ENUM, .words = formats, .standard = "text", FIELD(log_format), .fixed = true },
	{ .key = "logLevel", VALUE("log-level", "LEVEL", "The least that is logged."), .variable = "LIFESIGN_LOG_LEVEL",
		.type = SETTING_ENUM, .words = levels, .standard = "info", FIELD(log_level), .fixed = true },
	{ .key = "logFile", VALUE("log-file", "FILE", "Log lines are appended here."), .variable = "LIFESIGN_LOG_FILE",
		.type = SETTING_TEXT, FIELD(log_file), .fixed = true, .standard_text = "standard error" },
	{ .key = "logRequests", SWITCH("log-requests", "A log line for each request."), .variable = "LIFESIGN_LOG_REQUESTS",
		.type = SETTING_SWITCH, .standard = "false", FIELD(log_requests), .fixed = true },

	{ .key = "startup.port", FILE_ONLY("Start-up is done when this port accepts. None: when the main thread has waited "
		"3 s."), .type = SETTING_PORT, .least = 1, .most = 65535, FIELD(startup.port),
		.standard_text = "the first listener, or 30 s without one" },
	{ .key = "startup.periodSeconds", FILE_ONLY("Time between two looks at start-up."), .type = SETTING_SECONDS,
		.least = 0.1, .most = 3600, .standard = "1", FIELD(startup.period_seconds) },
	{ .key = "startup.failureThreshold", FILE_ONLY("Looks before start-up counts as timed out."), .type = SETTING_COUNT,
		.least = 1, .most = 1000000, .standard = "300", FIELD(startup.failure_threshold) },

	{ .key = "liveness.mode", FILE_ONLY("Observe: what would be dead is logged, counted and shown; livez stays 200."),
		.type = SETTING_ENUM, .words = modes, .standard = "enforce", FIELD(liveness.mode) },
	{ .key = "liveness.sampleSeconds", FILE_ONLY("Time between two looks at the threads."), .type = SETTING_SECONDS,
		.least = 0.01, .most = 10, .standard = "0.1", FIELD(liveness.sample_seconds) },
	{ .key = "liveness.loopBlockedSeconds", FILE_ONLY("An event loop that left its wait and is blocked so long, with "
		"work waiting, is dead."), .type = SETTING_SECONDS, .least = 1, .most = day, .standard = "30",
		FIELD(liveness.loop_blocked_seconds), .idle = true },
	{ .key = "liveness.loopSpinningSeconds", FILE_ONLY("An event loop that used so much CPU time without a call is "
		"dead."), .type = SETTING_SECONDS, .least = 1, .most = day, .standard = "60",
		FIELD(liveness.loop_spinning_seconds), .idle = true },
	{ .key = "liveness.noProgressSeconds", FILE_ONLY("A service without any progress so long, with work waiting, is "
		"dead."), .type = SETTING_SECONDS, .least = 1, .most = day, .standard = "30",
		FIELD(liveness.no_progress_seconds), .idle = true },
	{ .key = "liveness.deadlock", FILE_ONLY("Which proven deadlocks are dead: those that hold a critical thread, any, "
		"or none."), .type = SETTING_ENUM, .words = deadlocks, .standard = "critical", FIELD(liveness.deadlock),
		.idle = true },
	{ .key = "liveness.knock", FILE_ONLY("A suspect event loop with no work waiting gets one connection of the agent's."),
		.type = SETTING_SWITCH, .standard = "true", FIELD(liveness.knock), .idle = true },
	{ .key = "liveness.onDead.command", FILE_ONLY("Run once when the service is found dead."), .type = SETTING_COMMAND,
		FIELD(liveness.on_dead), .idle = true },
	{ .key = "liveness.onDead.waitSeconds", FILE_ONLY("How long livez waits for that command before it says dead."),
		.type = SETTING_SECONDS, .most = 300, .standard = "5", FIELD(liveness.on_dead_wait_seconds), .idle = true },

	{ .key = "readiness.periodSeconds", FILE_ONLY("Time between two rounds of checks."), .type = SETTING_SECONDS,
		.least = 0.1, .most = 3600, .standard = "10", FIELD(readiness.period_seconds), .idle = true },
	{ .key = "readiness.timeoutSeconds", FILE_ONLY("The time that all checks of a round have together."),
		.type = SETTING_SECONDS, .least = 0.05, .most = 60, .standard = "3", FIELD(readiness.timeout_seconds),
		.idle = true },
	{ .key = "readiness.fastSeconds", FILE_ONLY("Time between two rounds while a result disagrees with what is "
		"published."), .type = SETTING_SECONDS, .least = 0.1, .most = 3600, .standard = "1",
		FIELD(readiness.fast_seconds), .idle = true },
	{ .key = "readiness.failureThreshold", FILE_ONLY("Failures in a row before a check counts as failed."),
		.type = SETTING_COUNT, .least = 1, .most = 1000, .standard = "3", FIELD(readiness.failure_threshold),
		.idle = true },
	{ .key = "readiness.successThreshold", FILE_ONLY("Successes in a row before it counts as good again."),
		.type = SETTING_COUNT, .least = 1, .most = 1000, .standard = "1", FIELD(readiness.success_threshold),
		.idle = true },
	{ .key = "readiness.queueShare", FILE_ONLY("Not ready when an accept queue is fuller than this share of its "
		"backlog."), .type = SETTING_SHARE, .most = 1, .standard = "0.9", FIELD(readiness.queue_share), .idle = true },
	{ .key = "readiness.memoryShare", FILE_ONLY("Not ready when more than this share of the memory limit is in use."),
		.type = SETTING_SHARE, .most = 1, .standard = "0.95", FIELD(readiness.memory_share), .idle = true },
};

const unsigned settings_rows = sizeof(settings_table) / sizeof(settings_table[0]);
