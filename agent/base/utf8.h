/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of threads, processes and sockets may hold any byte; JSON and metrics must be UTF-8.
 */
#ifndef LS_UTF8_H
#define LS_UTF8_H

#include <stddef.h>

#define UTF8_REPLACEMENT "\xef\xbf\xbd" /* U+FFFD, for each byte that belongs to no character */

/* Bytes of the character that starts at text[0], or 0 when none does; looks at `left` bytes at most. */
size_t utf8_character(const char *text, size_t left);

#endif
