/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table of short texts printed in columns that fit the terminal: each column is as wide as its widest cell;
 * where that is too much, the flexible columns give way and their cells end in `…`.
 * Threads: main. Failure: rows past the table's size are dropped. Memory: plain data.
 */
#ifndef LS_TABLE_H
#define LS_TABLE_H

#include <stdbool.h>
#include <stddef.h>

enum { TABLE_COLUMNS = 8, TABLE_ROWS = 128, TABLE_CELL = 128 };

struct table_column {
	const char *title;
	bool right;     /* numbers */
	unsigned least; /* may shrink to this width; 0: never shrinks */
};

struct table {
	const struct table_column *columns;
	unsigned column_count, rows;
	char cells[TABLE_ROWS][TABLE_COLUMNS][TABLE_CELL];
};

/* Cell of the row being filled; the text is cut to TABLE_CELL and made safe to print. */
void table_set(struct table *table, unsigned column, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void table_end_row(struct table *table);
void table_print(const struct table *table, unsigned indent, unsigned width);

/* Columns that a text takes on a terminal: one for each character. */
size_t table_text_width(const char *text);

#endif
