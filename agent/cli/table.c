/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

enum { GAP = 2 };

size_t table_text_width(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80; /* first bytes of characters */
	return width;
}

void table_set(struct table *table, unsigned column, const char *format, ...)
{
	char *cell = table->cells[table->rows][column];
	va_list arguments;

	if (table->rows == TABLE_ROWS)
		return;
	va_start(arguments, format);
	(void)vsnprintf(cell, TABLE_CELL, format, arguments); /* cut when too long */
	va_end(arguments);
	text_sanitize(cell);
}

void table_end_row(struct table *table)
{
	table->rows += table->rows < TABLE_ROWS;
}

static unsigned widest(const struct table *table, unsigned column)
{
	size_t width = table_text_width(table->columns[column].title);

	for (unsigned row = 0; row < table->rows; row++) {
		size_t cell = table_text_width(table->cells[row][column]);

		width = cell > width ? cell : width;
	}
	return (unsigned)width;
}

/* Takes what is too much from the flexible columns, the last first. */
static void fit(const struct table *table, unsigned widths[TABLE_COLUMNS], unsigned width)
{
	unsigned total = (table->column_count - 1) * GAP;

	for (unsigned column = 0; column < table->column_count; column++)
		total += widths[column] = widest(table, column);
	for (unsigned column = table->column_count; column-- && total > width;) {
		unsigned least = table->columns[column].least, give = total - width;

		if (!least || widths[column] <= least)
			continue;
		if (give > widths[column] - least)
			give = widths[column] - least;
		widths[column] -= give;
		total -= give;
	}
}

static void print_cell(const char *text, unsigned width, bool right, bool last)
{
	size_t have = table_text_width(text), keep = have > width ? width - 1 : have;
	const char *end = text;

	for (size_t characters = 0; *end; end++) {
		characters += ((unsigned char)*end & 0xc0) != 0x80;
		if (characters > keep)
			break;
	}
	if (right)
		printf("%*s", (int)(have < width ? width - have : 0), "");
	printf("%.*s%s", (int)(end - text), text, have > width ? "…" : "");
	if (!right && !last)
		printf("%*s", (int)(have < width ? width - have : 0), "");
}

static void print_row(const struct table *table, const unsigned widths[TABLE_COLUMNS], unsigned indent, int row)
{
	unsigned last = table->column_count - 1;

	printf("%*s", (int)indent, "");
	while (last && row >= 0 && !*table->cells[row][last])
		last--; /* no blanks at the end of a line */
	for (unsigned column = 0; column <= last; column++) {
		const struct table_column *about = &table->columns[column];

		print_cell(row < 0 ? about->title : table->cells[row][column], widths[column], about->right,
			column == last);
		printf("%*s", column == last ? 0 : GAP, "");
	}
	printf("\n");
}

void table_print(const struct table *table, unsigned indent, unsigned width)
{
	unsigned widths[TABLE_COLUMNS] = {0};

	fit(table, widths, width - indent);
	for (int row = -1; row < (int)table->rows; row++)
		print_row(table, widths, indent, row);
}
