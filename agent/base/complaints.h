/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong with what the user wrote, one sentence each, collected so that all of it is told at once.
 * Threads: each list belongs to one. Failure: a sentence too long is cut, a list too long counts the rest.
 * Memory: plain data, no pointers; zeroed = empty.
 */
#ifndef LS_COMPLAINTS_H
#define LS_COMPLAINTS_H

#include <stddef.h>

enum { COMPLAINTS = 20, COMPLAINT_TEXT = 512 };

struct complaints {
	unsigned count;
	unsigned unseen; /* more than the list holds */
	char text[COMPLAINTS][COMPLAINT_TEXT];
};

void complaints_add(struct complaints *list, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The first sentence and how many more there are, for a place that has one line. */
void complaints_summarize(const struct complaints *list, char *out, size_t bytes);

#endif
