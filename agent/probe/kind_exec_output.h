/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a Nagios plugin prints: TEXT | LABEL=NUMBER[UNIT][;…] and then lines that nobody needs. No I/O.
 * Threads: any. Failure: an empty text, false. Memory: none.
 */
#ifndef LS_PROBE_KIND_EXEC_OUTPUT_H
#define LS_PROBE_KIND_EXEC_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

/* The text of the first line, without blanks around it. `output` ends with 0. */
void exec_read_text(const char *output, char *text, size_t bytes);

/* The first number of the performance data. */
bool exec_read_number(const char *output, double *number);

#endif
