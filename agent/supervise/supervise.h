/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `lifesign run`: starts COMMAND under the shim, keeps an agent beside it, and ends with COMMAND's status.
 * One thread, one poll loop, no allocation in it. Whatever of ours fails, COMMAND runs on as without us.
 */
#ifndef LS_SUPERVISE_H
#define LS_SUPERVISE_H

#include "base/settings.h"
#include "supervise/failure.h"

/*
 * `settings` complete, `shim` an absolute path that was checked, argv[0] = COMMAND. Returns COMMAND's exit
 * status (128+n, 127, 126); when COMMAND was not started `why` says why, nothing of ours is left.
 */
int supervise_run(const struct settings *settings, const char *shim, char **argv, struct failure *why);

#endif
