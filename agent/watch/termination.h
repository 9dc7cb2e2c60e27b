/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why the service is dead, for `kubectl describe pod`: one paragraph in /dev/termination-log, which the kubelet
 * makes for each container and shows as its last state (terminationMessagePath of the Pod API, 4096 bytes).
 * Threads: the sampler. Failure: where there is no such file, nothing is written; it is never waited for.
 */
#ifndef LS_TERMINATION_H
#define LS_TERMINATION_H

/* Appends one line. */
void termination_note(const char *service, const char *reason, const char *words);

#endif
