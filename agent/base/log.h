/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines on stderr (or --log-file): one start line, then transitions and problems only.
 * text:  `lifesign: what happened`
 * json:  {"time","level","app","event","probe","from","to","reason","detail"}
 * Threads: any; a line is one write(2), never torn. A reader that does not read is waited for once, 100 ms.
 * Failure: a line that cannot be written is lost silently: logging never stops the program.
 */
#ifndef LS_LOG_H
#define LS_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

extern const char *const log_levels[]; /* their words, by enum log_level; NULL behind the last */

/* One line in fields; NULL fields are left out (text) or null (JSON). `detail` is the sentence for people. */
struct log_line {
	enum log_level level;
	const char *event; /* one word: start, transition, coverage, agent, config, listen, … */
	const char *probe; /* live, ready, startup */
	const char *from, *to;
	const char *reason; /* a code of the contract */
	const char *detail;
	const char *object; /* JSON: a ready-made object of at most LOG_OBJECT_BYTES under the event's name; in text left out */
};

enum { LOG_OBJECT_BYTES = 3200 };

/* `app` is the service name, kept by pointer. `file` NULL = stderr; returns 0 or -errno of opening it. */
int log_start(enum log_format format, enum log_level level, const char *app, const char *file);

bool log_is_json(void);

void log_emit(const struct log_line *line);

/* What this thread logs from now on is about this service of several (kept by pointer), or with NULL about `app`. */
void log_about(const char *service);

/* The common case: an event word and a sentence. */
void log_event(enum log_level level, const char *event, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
