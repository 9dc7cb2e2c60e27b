/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why `run` could not start: an exit status of the contract and one sentence that says what to do.
 * Memory: plain data.
 */
#ifndef LS_FAILURE_H
#define LS_FAILURE_H

enum { FAILURE_PORT_TAKEN = 69, FAILURE_NOT_PERMITTED = 77, FAILURE_CONFIG = 78 };

struct failure {
	int status; /* 0: none */
	char text[1280];
};

/* Returns `status`, so that a function can end with it. */
int failure_set(struct failure *failure, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
