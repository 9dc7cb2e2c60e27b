/* SPDX-License-Identifier: Apache-2.0 */
/* `config check FILE --down A,B`: what the probes answer while these are down, by the judge that decides it. */
#ifndef LS_CONFIG_DOWN_H
#define LS_CONFIG_DOWN_H

/* A file that was checked, names with commas between. 0 or EXIT_CONFIG after complaining. */
int config_down(const char *path, const char *names);

#endif
