/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `command` of the configuration as redis wants it, and numbers as redis writes them.
 * Threads: any. Failure: NULL, false.
 */
#ifndef LS_KIND_REDIS_WORDS_H
#define LS_KIND_REDIS_WORDS_H

#include <stdbool.h>

enum { REDIS_WORDS = 32 };

/* Words between blanks; "…" and '…' keep blanks, \ keeps the next character within "…". NULL: none, too many,
 * an open quote, or no memory. To be freed with free(). */
char *redis_words_command(const char *line, int *bytes);

/* Is all of it a number? */
bool redis_words_number(const char *text, double *out);

#endif
