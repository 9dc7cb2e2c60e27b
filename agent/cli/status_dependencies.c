/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/status_dependencies.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/table.h"

enum { NAME, KIND, CLASS, STATUS, FOR, LATENCY, VALUE, WHY, COLUMNS, SHOWN = 100 };

static const struct table_column columns[COLUMNS] = {[NAME] = {"DEPENDENCY", false, 8}, [KIND] = {"KIND", false, 0},
	[CLASS] = {"CLASS", false, 0}, [STATUS] = {"STATUS", false, 0}, [FOR] = {"FOR", true, 0}, [LATENCY] = {"TOOK", true, 0},
	[VALUE] = {"VALUE", true, 0}, [WHY] = {"WHY", false, 12}};

static const char *text_of(const json_t *of, const char *key)
{
	const char *text = json_string_value(json_object_get(of, key));

	return text ? text : "";
}

/* "3.1s", "250ms"; empty when it is not known. */
static void set_seconds(struct table *table, unsigned column, const json_t *of, const char *key)
{
	const json_t *number = json_object_get(of, key);
	double seconds = json_number_value(number);

	if (!json_is_number(number))
		table_set(table, column, "%s", "");
	else if (seconds < 1)
		table_set(table, column, "%.3gms", seconds * 1000);
	else if (seconds < 600)
		table_set(table, column, "%.1fs", seconds);
	else
		table_set(table, column, "%.0fm", seconds / 60);
}

static void add(struct table *table, const json_t *of)
{
	const json_t *value = json_object_get(of, "value");
	const char *root = text_of(of, "root"), *detail = text_of(of, "detail"), *error = text_of(of, "error");

	table_set(table, NAME, "%s", text_of(of, "name"));
	table_set(table, KIND, "%s", text_of(of, "kind"));
	table_set(table, CLASS, "%s", text_of(of, "class"));
	table_set(table, STATUS, "%s", text_of(of, "status"));
	set_seconds(table, FOR, of, "since_seconds");
	set_seconds(table, LATENCY, of, "latency_seconds");
	if (json_is_number(value))
		table_set(table, VALUE, "%g", json_number_value(value));
	else
		table_set(table, VALUE, "%s", "");
	table_set(table, WHY, "%s%s%s%s%s", error, *root ? ", because of " : "", root, *error && *detail ? ", " : "",
		*error ? detail : "");
	table_end_row(table);
}

void status_dependencies_print(const json_t *document, unsigned width)
{
	const json_t *dependencies = json_object_get(document, "dependencies"), *of;
	struct table *table = calloc(1, sizeof(*table));
	size_t index;

	if (table && json_array_size(dependencies)) {
		table->columns = columns;
		table->column_count = COLUMNS;
		json_array_foreach(dependencies, index, of)
		{
			if (index < SHOWN)
				add(table, of);
		}
		printf("\n");
		table_print(table, 2, width);
		if (json_array_size(dependencies) > SHOWN)
			printf("    … and %zu more (--json has all)\n", json_array_size(dependencies) - SHOWN);
	}
	free(table);
}
