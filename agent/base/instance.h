/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A short name for one running service among all that ask each other: by it a service sees its own troubles
 * come back to it through others. Of the service's name and the machine's (in Kubernetes the pod's): the agent,
 * which tells it, and the prober, which looks for it, need not agree on anything else. Threads: any. Failure:
 * none. Memory: none.
 */
#ifndef LS_INSTANCE_H
#define LS_INSTANCE_H

enum { INSTANCE_NAME = 9 };

/* Eight hexadecimal digits. */
void instance_name(const char *service, char out[INSTANCE_NAME]);

#endif
