/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Has the service started? Decided once for each main process and then kept: 200 stays 200, and a start
 * that took too long stays 503, until the main process is a new one. Pure.
 */
#ifndef LS_STARTUP_H
#define LS_STARTUP_H

#include <stdbool.h>
#include <stdint.h>

enum startup_state { STARTUP_STARTING, STARTUP_DONE, STARTUP_TIMEOUT };

/* How the end of start-up is recognized; CONTRACT: startup.port is a number, none or absent. */
enum startup_rule { STARTUP_BY_LISTENER, STARTUP_BY_PORT, STARTUP_BY_WAIT };

struct startup_policy {
	enum startup_rule rule;
	int64_t budget_ns; /* failureThreshold x periodSeconds */
};

struct startup_look {
	int64_t age_ns;         /* since the main process began */
	bool has_listener;      /* a process of the service listens on a stream socket */
	bool port_accepts;      /* the configured port took a connection */
	int64_t main_waited_ns; /* how long the main thread has been found waiting at every sample */
};

/* Units of the rules: 30 s without a listener count as started; 3 s of waiting for port none. */
#define STARTUP_NO_LISTENER_NS INT64_C(30000000000)
#define STARTUP_WAIT_NS INT64_C(3000000000)

enum startup_state startup_judge(
	enum startup_state before, const struct startup_policy *policy, const struct startup_look *look);

#endif
