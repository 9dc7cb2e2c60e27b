/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words and lines that came from outside: made harmless to print, and guessed at when misspelt.
 * Threads: any. Failure: none. Memory: none; text_nearest points at what it was offered.
 */
#ifndef LS_TEXT_H
#define LS_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Safe to print in one line: control characters and bytes that are not UTF-8 become '?'. */
void text_sanitize(char *text);

/* Is the character of `bytes` bytes one of C0, DEL, C1: all that can move a terminal's cursor? */
bool text_is_control(const char *at, size_t bytes);

/* The candidate that was probably meant by `word`: offer all, then take `best` (NULL: none is near). */
struct text_nearest {
	const char *word;
	const char *best;
	unsigned distance;
};
void text_offer(struct text_nearest *nearest, const char *candidate);

#endif
