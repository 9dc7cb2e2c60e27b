/* SPDX-License-Identifier: Apache-2.0 */
/* The table of dependencies in `lifesign status`. Threads: main. */
#ifndef LS_STATUS_DEPENDENCIES_H
#define LS_STATUS_DEPENDENCIES_H

#include <jansson.h>

/* Prints nothing where there are none. */
void status_dependencies_print(const json_t *document, unsigned width);

#endif
