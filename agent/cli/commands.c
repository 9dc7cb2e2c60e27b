/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands.h"

#include <stddef.h>

#define ASK                                                                                                    \
	[ASK_URL] = {"url", OPTION_VALUE, "URL", "where the agent answers: http://HOST:PORT or unix:/path"},   \
	[ASK_SERVICE] = {"service", OPTION_VALUE, "NAME", "which of several services"},                        \
	[ASK_DIR] = {"dir", OPTION_VALUE, "DIR", "where the agents' unix sockets are"}
#define ROWS(rows) .options = (rows), .option_count = sizeof(rows) / sizeof((rows)[0])

static const struct option_row status_options[] = {
	ASK, [STATUS_JSON] = {"json", OPTION_SWITCH, NULL, "the whole document as the agent has it"},
	[STATUS_WATCH] = {"watch", OPTION_SWITCH, NULL, "again every second, until Ctrl-C"}};
static const struct option_row explain_options[] = {
	ASK, [EXPLAIN_JSON] = {"json", OPTION_SWITCH, NULL, "for machines"}};
static const struct option_row check_options[] = {
	ASK, [CHECK_STRICT] = {"strict", OPTION_SWITCH, NULL, "exit 2 when nobody can tell"},
	[CHECK_NAGIOS] = {
		"nagios", OPTION_SWITCH, NULL, "exit 0 ok, 1 degraded, 2 failing, 3 nobody can tell"}};
static const struct option_row maintenance_options[] = {
	ASK, [MAINTENANCE_FOR] = {"for", OPTION_VALUE, "10m", "until then; else until it is switched off (s, m, h, d)"}};
static const struct option_row probe_options[] = {
	[PROBE_CONFIG] = {"config", OPTION_VALUE, "FILE", "where NAME is; else LIFESIGN_CONFIG"},
	[PROBE_TIMEOUT_SECONDS] = {"timeout", OPTION_VALUE, "SECONDS", "for all phases together (default: 3)"},
	[PROBE_TIMES] = {"times", OPTION_VALUE, "N", "ask so often over the same connection (default: 1)"}};
static const struct option_row config_options[] = {
	ASK, [CONFIG_DOWN] = {"down", OPTION_VALUE, "NAME[,NAME]", "check: the answers while these are down"}};
static const struct option_row reload_options[] = {ASK};

const struct command commands[] = {
	{"run", run_main, "start a service with the shim preloaded and serve its probes",
		"[OPTIONS] [--] COMMAND [ARG…]",
		"Starts COMMAND unmodified and answers /livez, /readyz, /startupz, /health,\n"
		"/health/status and /metrics for it. Ends with COMMAND's exit status.\n\n"
		"Each option has a variable: --log-format is LIFESIGN_LOG_FORMAT. An option\n"
		"beats a variable, a variable beats the file.",
		NULL, 0},
	{"agent", agent_command_main, "serve every service that joins through --dir (sidecar, node)", "[OPTIONS]",
		"Starts nothing. A process with LD_PRELOAD=…/liblifesign.so and LIFESIGN_DIR=DIR\n"
		"joins when it starts; LIFESIGN_SERVICE names it. Its probes are below\n"
		"/services/NAME/, the list is at /services, the worst of all at the root, and\n"
		"the agent's own liveness at /agent/livez. TERM ends it (after --drain), HUP\n"
		"reads the configuration again; services run on.",
		NULL, 0},
	{"status", status_main, "show verdicts, processes and threads", "[OPTIONS]",
		"Exits with 0 when the service is alive and ready, 1 when not, 3 without an\n"
		"agent, 64 when there are several services and --service names none.",
		ROWS(status_options)},
	{"explain", explain_main, "tell why the threads of any process do not go on", "[OPTIONS] [PID|TID]",
		"For any running process: what each of its threads waits for, who holds the lock,\n"
		"who is at the other end, and whether that comes back to itself. Needs no shim\n"
		"and no agent, and stops nothing. Without a PID: the service of the agent that\n"
		"is found, and first why it is not ready: from dependency to dependency to the\n"
		"cause, also through other services that lifesign watches (--url).\n\n"
		"Exits with 0, 3 without such a process or an agent, 77 when it may not be read.",
		ROWS(explain_options)},
	{"check", check_main, "ask one probe, for exec probes and HEALTHCHECK",
		"[OPTIONS] [livez|readyz|startupz]",
		"livez (the default) exits with 0 unless the service is dead; readyz and startupz\n"
		"with 0 when ok, 1 when not or when nobody can tell; 3 without an agent. Of an\n"
		"agent with several services the worst of all, unless --service names one.",
		ROWS(check_options)},
	{"probe", probe_main, "ask one dependency once and show the phases", "[OPTIONS] URL|NAME",
		"Needs no agent. URL: tcp://HOST:PORT, postgresql://…, redis://…, http://…,\n"
		"dns://SERVER/QUERY, …; NAME: one of the file's dependencies.\n"
		"Exits with 0 up, 1 degraded, 2 down, 3 when it cannot tell.",
		ROWS(probe_options)},
	{"maintenance", maintenance_main, "take a service out of rotation, and back", "[OPTIONS] on|off",
		"While it is on, readyz answers 503 `maintenance`; livez does not change. With\n"
		"several services it holds for all of the agent, and for its successor, too.",
		ROWS(maintenance_options)},
	{"config", config_main, "check a configuration, suggest one, print the reference",
		"check [OPTIONS] FILE… | suggest [PID] | reference",
		"check tells everything that is wrong and exits with 78, or with 0; with --down\n"
		"it tells what the probes would answer while those dependencies are down.\n"
		"suggest writes a commented file from what a service listens on and is connected\n"
		"to: PID and its children, or the service of the agent that is found.\n"
		"reference prints all settings as Markdown.",
		ROWS(config_options)},
	{"reload", reload_main, "make a running agent read its configuration again", "[OPTIONS]",
		"Exits with 0 when the file was taken over, 78 when it was refused, 3 without an\nagent.",
		ROWS(reload_options)},
	{"version", version_main, "print the version", "", "", NULL, 0},
	{"help", help_main, "print this, or the help of a command", "[COMMAND]", "", NULL, 0},
	{NULL, NULL, NULL, NULL, NULL, NULL, 0},
};
