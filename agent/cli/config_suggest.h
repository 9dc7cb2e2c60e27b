/* SPDX-License-Identifier: Apache-2.0 */
/* `lifesign config suggest [PID]`: a commented file from what a running service listens on and is connected to. */
#ifndef LS_CONFIG_SUGGEST_H
#define LS_CONFIG_SUGGEST_H

#include <sys/types.h>

/* The service is the process and what descends from it. 0, or the exit status after complaining. */
int config_suggest(pid_t pid);

#endif
