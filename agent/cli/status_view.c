/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/status_dependencies.h"
#include "cli/status_view.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/table.h"

enum { TEXT = 512, PROCESSES_SHOWN = 40, THREADS_SHOWN = 100, LISTENERS_SHOWN = 20, REASONS_SHOWN = 8 };

static const struct table_column thread_columns[] = {
	{"TID", true, 0},
	{"NAME", false, 8},
	{"ROLE", false, 0},
	{"STATE", false, 0},
	{"OP", false, 8},
	{"FOR", true, 0},
	{"BEATS", true, 0},
	{"WAITS FOR", false, 9},
};
enum { TID, NAME, ROLE, STATE, OP, FOR, BEATS, WAITS_FOR, COLUMNS };

static const struct table_column listener_columns[] = {
	{"LISTENER", false, 20},
	{"QUEUE", true, 0},
	{"BACKLOG", true, 0},
	{"PID", true, 0},
};

/* The text of a member, "-" without one; valid until the eighth next call. */
static const char *text_of(const json_t *object, const char *key)
{
	static char texts[8][TEXT];
	static unsigned next;
	char *text = texts[next++ % 8];
	const char *value = json_string_value(json_object_get(object, key));

	(void)snprintf(text, TEXT, "%s", value && *value ? value : "-"); /* cut when too long */
	text_sanitize(text);
	return text;
}

static bool has_text(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value && *value;
}

/* A whole number, or "-". */
static void format_count(const json_t *object, const char *key, char *out, size_t bytes)
{
	const json_t *value = json_object_get(object, key);

	if (json_is_integer(value))
		(void)snprintf(
			out, bytes, "%" JSON_INTEGER_FORMAT, json_integer_value(value)); /* 20 digits fit */
	else
		(void)snprintf(out, bytes, "-");
}

static const char *count_of(const json_t *object, const char *key)
{
	static char texts[8][24];
	static unsigned next;
	char *text = texts[next++ % 8];

	format_count(object, key, text, sizeof(texts[0]));
	return text;
}

/* "12ms", "3.1s", "2m05s", "3h20m", "4d02h": at most seven columns */
static const char *duration_of(const json_t *object, const char *key)
{
	static char texts[4][32];
	static unsigned next;
	char *text = texts[next++ % 4];
	const json_t *value = json_object_get(object, key);
	double seconds = json_number_value(value);
	unsigned long whole = seconds < 1e9 ? (unsigned long)(seconds > 0 ? seconds : 0) : 0;

	if (!json_is_number(value) || seconds < 0 || seconds >= 1e9)
		(void)snprintf(text, sizeof(texts[0]), "-");
	else if (seconds < 1)
		(void)snprintf(text, sizeof(texts[0]), "%.0fms", seconds * 1000);
	else if (whole < 60)
		(void)snprintf(text, sizeof(texts[0]), "%.1fs", seconds);
	else if (whole < 3600)
		(void)snprintf(text, sizeof(texts[0]), "%lum%02lus", whole / 60, whole % 60);
	else if (whole < 86400)
		(void)snprintf(text, sizeof(texts[0]), "%luh%02lum", whole / 3600, whole % 3600 / 60);
	else
		(void)snprintf(text, sizeof(texts[0]), "%lud%02luh", whole / 86400, whole % 86400 / 3600);
	return text;
}

static const char *colour(const struct status_screen *screen, const char *code)
{
	return screen->colours ? code : "";
}

/* A line of several texts, each cut where it had to be: half a character is none. */
static void compose(char text[TEXT], const char *format, ...) __attribute__((format(printf, 2, 3)));
static void compose(char text[TEXT], const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(text, TEXT, format, arguments); /* cut when too long */
	va_end(arguments);
	text_sanitize(text);
}

/* Words broken between lines at the screen's edge; never cut. */
static void print_words(const char *text, unsigned *at, unsigned indent, const struct status_screen *screen)
{
	while (*text) {
		int length = (int)strcspn(text, " ");
		char word[TEXT];
		unsigned width;

		(void)snprintf(word, sizeof(word), "%.*s", length, text); /* text is no longer than TEXT */
		width = (unsigned)table_text_width(word);
		if (*at > indent && *at + 1 + width > screen->columns) {
			printf("\n%*s", (int)indent, "");
			*at = indent;
		} else if (*at > indent) {
			printf(" ");
			++*at;
		}
		printf("%s", word);
		*at += width;
		text += length + (int)strspn(text + length, " ");
	}
}

static void print_reason(const json_t *reason, const struct status_screen *screen)
{
	unsigned at = 4;

	printf("    ");
	print_words(text_of(reason, "code"), &at, 6, screen);
	if (json_is_number(json_object_get(reason, "since_seconds"))) {
		print_words("for", &at, 6, screen);
		print_words(duration_of(reason, "since_seconds"), &at, 6, screen);
	}
	if (has_text(reason, "dependency")) {
		print_words(text_of(reason, "dependency"), &at, 6, screen);
		print_words(has_text(reason, "root") ? "because of" : "", &at, 6, screen);
		print_words(has_text(reason, "root") ? text_of(reason, "root") : "", &at, 6, screen);
	}
	if (has_text(reason, "held")) {
		print_words("held:", &at, 6, screen);
		print_words(text_of(reason, "held"), &at, 6, screen);
	}
	if (has_text(reason, "detail"))
		print_words(text_of(reason, "detail"), &at, 6, screen);
	printf("\n");
}

static void print_more(size_t all, size_t shown)
{
	if (all > shown)
		printf("    … and %zu more (--json has all)\n", all - shown);
}

static void print_answer(const json_t *document, const char *probe, const char *yes, const char *no,
	const struct status_screen *screen)
{
	const json_t *answer = json_object_get(document, probe), *ok = json_object_get(answer, "ok");
	const json_t *reasons = json_object_get(answer, "reasons"), *reason;
	const char *word = json_is_boolean(ok) ? json_is_true(ok) ? yes : no : "-";
	size_t index;

	if (has_text(answer, "verdict"))
		word = text_of(answer, "verdict");
	printf("  %-9s%s%s%s\n", probe, colour(screen, json_is_true(ok) ? "\033[32m" : "\033[31m"), word,
		colour(screen, "\033[0m"));
	json_array_foreach(reasons, index, reason) if (index < REASONS_SHOWN) print_reason(reason, screen);
	print_more(json_array_size(reasons), REASONS_SHOWN);
}

static void print_workers(const json_t *document, const struct status_screen *screen)
{
	static const char *const states[] = {"running", "idle", "lock", "io", "sleep", "unseen", "stuck"};
	const json_t *workers = json_object_get(document, "workers");
	unsigned at = 11;
	char text[64];

	if (!json_is_object(workers))
		return;
	printf("  threads  ");
	(void)snprintf(text, sizeof(text), "%s live:", count_of(workers, "live"));
	print_words(text, &at, 11, screen);
	for (unsigned i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		(void)snprintf(text, sizeof(text), "%s %s%s", count_of(workers, states[i]), states[i],
			i == 6 ? "" : ",");
		print_words(text, &at, 11, screen);
	}
	printf("\n");
}

/* "42's lock 0x55…" (who holds it is what a narrow terminal must still show), "fd 7", "thread 43" */
static void set_target(struct table *table, const json_t *target)
{
	const json_t *object = json_object_get(target, "object"), *owner = json_object_get(target, "owner");
	char what[64] = "", held[40] = "";

	if (!json_is_object(target)) {
		table_set(table, WAITS_FOR, "%s", json_is_string(target) ? json_string_value(target) : "");
		return;
	}
	if (json_is_integer(object))
		(void)snprintf(
			what, sizeof(what), " %" JSON_INTEGER_FORMAT, json_integer_value(object)); /* fits */
	else if (json_is_string(object))
		(void)snprintf(what, sizeof(what), " %s", json_string_value(object)); /* cut when too long */
	if (json_is_integer(owner) && json_integer_value(owner) > 0)
		(void)snprintf(held, sizeof(held), "%" JSON_INTEGER_FORMAT "'s ",
			json_integer_value(owner)); /* fits */
	table_set(table, WAITS_FOR, "%s%s%s", held, text_of(target, "kind"), what);
}

static void add_thread(struct table *table, const json_t *thread)
{
	table_set(table, TID, "%s", count_of(thread, "tid"));
	table_set(table, NAME, "%s", text_of(thread, "name"));
	table_set(table, ROLE, "%s", text_of(thread, "role"));
	table_set(table, STATE, "%s", text_of(thread, "state"));
	table_set(table, OP, "%s", text_of(thread, "op"));
	table_set(table, FOR, "%s", duration_of(thread, "for_seconds"));
	table_set(table, BEATS, "%s", count_of(thread, "beats"));
	set_target(table, json_object_get(thread, "waits_for"));
	table_end_row(table);
}

/* `*left` threads may still be shown on this page. */
static void print_process(const json_t *process, size_t *left, const struct status_screen *screen)
{
	const json_t *threads = json_object_get(process, "threads"), *thread;
	struct table *table = calloc(1, sizeof(*table));
	size_t index, all = json_array_size(threads), shown = all < *left ? all : *left;
	unsigned at = 0;
	char text[TEXT];

	compose(text, "process %s %.64s, %.16s, %.16s", count_of(process, "pid"), text_of(process, "exe"),
		text_of(process, "role"), text_of(process, "coverage"));
	printf("\n");
	print_words(text, &at, 2, screen);
	if (has_text(process, "coverage_why"))
		print_words(text_of(process, "coverage_why"), &at, 2, screen);
	printf("\n");
	if (table) {
		table->columns = thread_columns;
		table->column_count = COLUMNS;
		json_array_foreach(threads, index, thread) if (index < shown) add_thread(table, thread);
		if (shown)
			table_print(table, 2, screen->columns);
	}
	print_more(all, shown);
	*left -= shown;
	free(table);
}

static void print_processes(const json_t *document, const struct status_screen *screen)
{
	const json_t *processes = json_object_get(document, "processes"), *process;
	size_t index, left = THREADS_SHOWN;

	json_array_foreach(processes, index, process) if (index < PROCESSES_SHOWN)
		print_process(process, &left, screen);
	if (json_array_size(processes) > PROCESSES_SHOWN)
		printf("\n… and %zu more processes (--json has all)\n",
			json_array_size(processes) - PROCESSES_SHOWN);
}

static void print_listeners(const json_t *document, const struct status_screen *screen)
{
	const json_t *listeners = json_object_get(document, "listeners"), *listener;
	struct table *table = calloc(1, sizeof(*table));
	size_t index;

	if (!table || !json_array_size(listeners)) {
		free(table);
		return;
	}
	table->columns = listener_columns;
	table->column_count = 4;
	json_array_foreach(listeners, index, listener)
	{
		if (index >= LISTENERS_SHOWN)
			break;
		table_set(table, 0, "%s", text_of(listener, "address"));
		table_set(table, 1, "%s", count_of(listener, "queue"));
		table_set(table, 2, "%s", count_of(listener, "backlog"));
		table_set(table, 3, "%s", count_of(listener, "pid"));
		table_end_row(table);
	}
	printf("\n");
	table_print(table, 2, screen->columns);
	print_more(json_array_size(listeners), LISTENERS_SHOWN);
	free(table);
}

static void print_agent(const json_t *document, const struct status_screen *screen)
{
	const json_t *agent = json_object_get(document, "agent");
	unsigned at = 11;
	char text[TEXT];

	printf("  agent    ");
	compose(text, "lifesign %.32s, pid %s, %s restarts%s%s", text_of(agent, "version"),
		count_of(agent, "pid"), count_of(agent, "restarts"),
		json_is_true(json_object_get(agent, "bare")) ? ", bare after crashes: judges nothing" : "",
		json_is_true(json_object_get(agent, "observe")) ? ", observes: never says dead" : "");
	print_words(text, &at, 11, screen);
	if (has_text(agent, "config_error")) {
		printf("\n  config   ");
		at = 11;
		print_words("refused:", &at, 11, screen);
		print_words(text_of(agent, "config_error"), &at, 11, screen);
	}
	printf("\n");
}

bool status_view_is_well(const json_t *document)
{
	return json_is_true(json_object_get(json_object_get(document, "live"), "ok")) &&
	       json_is_true(json_object_get(json_object_get(document, "ready"), "ok"));
}

void status_view_print(const json_t *document, const struct status_screen *screen)
{
	unsigned at = 2; /* the indent: a shorter first word is followed by a space, too */
	char text[TEXT];

	compose(text, "%.64s%s%.64s, up %s, at %.32s", text_of(document, "service"),
		has_text(document, "version") ? " " : "",
		has_text(document, "version") ? text_of(document, "version") : "",
		duration_of(document, "uptime_seconds"), text_of(document, "time"));
	print_words(text, &at, 2, screen);
	printf("\n");
	print_answer(document, "live", "alive", "dead", screen);
	print_answer(document, "ready", "ready", "not ready", screen);
	print_answer(document, "startup", "done", "still starting", screen);
	print_workers(document, screen);
	print_agent(document, screen);
	status_dependencies_print(document, screen->columns);
	print_processes(document, screen);
	print_listeners(document, screen);
}
