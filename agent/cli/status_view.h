/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lifesign.status/1 document as a page for people. The document is another process's: any field may be
 * missing or of another type, any text may hold anything.
 * Threads: main. Failure: what is missing is shown as `-`. Memory: borrows the document.
 */
#ifndef LS_STATUS_VIEW_H
#define LS_STATUS_VIEW_H

#include <stdbool.h>

#include <jansson.h>

struct status_screen {
	unsigned columns; /* at least 40 */
	bool colours;
};

void status_view_print(const json_t *document, const struct status_screen *screen);

/* Alive and ready? */
bool status_view_is_well(const json_t *document);

#endif
