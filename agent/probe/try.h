/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `lifesign probe`: one question to one dependency, told by phases.
 * Failure: 0 up, 1 degraded, 2 down, 3 cannot tell, 64 usage, 78 configuration; complaints on stderr.
 */
#ifndef LS_TRY_H
#define LS_TRY_H

#include <stdbool.h>

enum { TRY_MOST_SECONDS = 3600 };

struct try {
	const char *what;    /* a URL, or a name in the file */
	const char *config;  /* NULL: none */
	const char *modules; /* NULL: found */
	double timeout_seconds;
	unsigned times; /* how often over the same connection; at least 1 */
	bool lines;     /* instead: once for each line of stdin, until it ends; a number in it is its own budget */
};

int try_main(const struct try *how, const char *const *environment);

#endif
