/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "base/utf8.h"

enum {
	LINE_BYTES = 4096, /* PIPE_BUF: written whole or not at all */
	WORD_BYTES = 64,  /* of every value but the sentence: so only the sentence is ever cut off by the line's
			     end */
	ENDING_BYTES = 8, /* kept free for what closes a line: `…"}\n` */
	WAIT_MS = 100     /* for a reader that does not read; then the line is lost */
};

/* immutable after log_start, which runs before other threads do */
static struct {
	enum log_format format;
	enum log_level level;
	const char *app;
	int fd;
} sink = {LOG_FORMAT_TEXT, LOG_LEVEL_INFO, NULL, STDERR_FILENO};

/* Nobody read in time: no further line waits until one gets through. atomic, relaxed: it orders nothing */
static atomic_bool stuck;

struct line {
	size_t used;
	bool cut;
	char text[LINE_BYTES];
};

const char *const log_levels[] = {"error", "warn", "info", "debug", NULL};

int log_start(enum log_format format, enum log_level level, const char *app, const char *file)
{
	int fd = STDERR_FILENO;

	if (file && *file) {
		fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);
		if (fd < 0)
			return -errno;
	}
	if (sink.fd != STDERR_FILENO)
		(void)close(sink.fd); /* nothing was buffered */
	sink.format = format;
	sink.level = level;
	sink.app = app;
	sink.fd = fd;
	return 0;
}

/* Keeps room for the ending; what does not fit is cut between characters. */
static void put(struct line *line, const char *text, size_t bytes)
{
	if (line->cut)
		return;
	if (bytes > sizeof(line->text) - ENDING_BYTES - line->used) {
		line->cut = true;
		return;
	}
	memcpy(line->text + line->used, text, bytes);
	line->used += bytes;
}

static void put_text(struct line *line, const char *text)
{
	put(line, text, strlen(text));
}

static void put_code(struct line *line, const char *form, unsigned value)
{
	char code[16];

	put(line, code, (size_t)snprintf(code, sizeof(code), form, value));
}

/* One character of a value; in both formats a line stays one line and harmless to a terminal. */
static void put_character(struct line *line, const char *at, size_t bytes)
{
	static const char names[][3] = {['\t'] = "\\t", ['\n'] = "\\n", ['\r'] = "\\r"};
	unsigned char first = (unsigned char)at[0];
	bool json = sink.format == LOG_FORMAT_JSON;

	if (json && (first == '"' || first == '\\')) {
		put_code(line, "\\%c", first);
	} else if (first < sizeof(names) / sizeof(names[0]) && names[first][0]) {
		put(line, names[first], 2);
	} else if (first < 0x20 || first == 0x7f) {
		put_code(line, json ? "\\u%04x" : "\\x%02x", first);
	} else if (text_is_control(at, bytes)) {
		put_code(line, "\\u%04x", (unsigned char)at[1]);
	} else {
		put(line, at, bytes);
	}
}

static void put_value(struct line *line, const char *text, size_t most)
{
	for (size_t left = strnlen(text, most); left;) {
		size_t bytes = utf8_character(text, left);

		if (bytes)
			put_character(line, text, bytes);
		else
			put_text(line, UTF8_REPLACEMENT);
		bytes = bytes ? bytes : 1;
		text += bytes;
		left -= bytes;
	}
}

static void put_time(struct line *line)
{
	int64_t now = clock_wall_ns();
	time_t seconds = now / NS_PER_SECOND;
	struct tm utc;
	char text[64];

	(void)gmtime_r(&seconds, &utc); /* fails only past year 2^31 */
	put(line, text, strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc));
	put_code(line, ".%03uZ", (unsigned)(now % NS_PER_SECOND / NS_PER_MS));
}

static void put_key(struct line *line, const char *key, const char *value, size_t most)
{
	put_text(line, ",\"");
	put_text(line, key);
	if (!value) {
		put_text(line, "\":null");
		return;
	}
	put_text(line, "\":\"");
	put_value(line, value, most);
	if (!line->cut)
		put_text(line, "\"");
}

/* Before the sentence, which alone is ever cut: an object is whole or not there. */
static void put_object(struct line *line, const char *key, const char *object)
{
	size_t bytes = strlen(object);

	if (bytes > LOG_OBJECT_BYTES)
		return;
	put_text(line, ",\"");
	put_text(line, key);
	put_text(line, "\":");
	put(line, object, bytes);
}

static void end(struct line *line, const char *ending)
{
	static const char mark[] = "\xe2\x80\xa6"; /* … */

	if (line->cut) {
		memcpy(line->text + line->used, mark, sizeof(mark) - 1);
		line->used += sizeof(mark) - 1;
	}
	memcpy(line->text + line->used, ending, strlen(ending));
	line->used += strlen(ending);
}

static __thread const char *about;

void log_about(const char *service)
{
	about = service;
}

static void format_json(struct line *line, const struct log_line *from)
{
	const struct {
		const char *key, *value;
	} words[] = {{"level", log_levels[from->level]}, {"app", about ? about : sink.app}, {"event", from->event},
		{"probe", from->probe}, {"from", from->from}, {"to", from->to}, {"reason", from->reason}};

	put_text(line, "{\"time\":\"");
	put_time(line);
	put_text(line, "\"");
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		put_key(line, words[i].key, words[i].value, WORD_BYTES);
	if (from->object)
		put_object(line, from->event, from->object);
	put_key(line, "detail", from->detail, LINE_BYTES);
	end(line, line->cut ? "\"}\n" : "}\n");
}

/* `lifesign: ready not_ready -> ready (starting): the first listener is open` */
static void format_text(struct line *line, const struct log_line *from)
{
	const struct {
		const char *before, *value, *after;
	} parts[] = {{"", about, ": "}, {"", from->probe, " "}, {"", from->from, " -> "}, {"", from->to, ""},
		{" (", from->reason, ")"}, {from->to || from->reason ? ": " : "", from->detail, ""}};

	put_text(line, "lifesign: ");
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (!parts[i].value)
			continue;
		put_text(line, parts[i].before);
		put_value(line, parts[i].value, parts[i].value == from->detail ? LINE_BYTES : WORD_BYTES);
		put_text(line, parts[i].after);
	}
	end(line, "\n");
}

/* A reader that went away raises SIGPIPE in this thread: taken off again before anybody sees it. */
static void write_line(const struct line *line)
{
	struct pollfd ready = {.fd = sink.fd, .events = POLLOUT};
	sigset_t pipe_only, before, pending;
	struct timespec none = {0};
	bool writable;

	(void)sigemptyset(&pipe_only); /* these calls cannot fail: the signal exists */
	(void)sigaddset(&pipe_only, SIGPIPE);
	(void)sigpending(&pending);
	(void)pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
	writable = poll(&ready, 1, atomic_load_explicit(&stuck, memory_order_relaxed) ? 0 : WAIT_MS) > 0;
	atomic_store_explicit(&stuck, !writable, memory_order_relaxed);
	if (writable && write(sink.fd, line->text, line->used) < 0 && errno == EPIPE &&
		!sigismember(&pending, SIGPIPE))
		(void)sigtimedwait(&pipe_only, NULL, &none); /* it was ours */
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

bool log_is_json(void)
{
	return sink.format == LOG_FORMAT_JSON;
}

void log_emit(const struct log_line *from)
{
	int saved = errno;
	struct line line;

	if (from->level > sink.level)
		return;
	line.used = 0;
	line.cut = false;
	if (sink.format == LOG_FORMAT_JSON)
		format_json(&line, from);
	else
		format_text(&line, from);
	write_line(&line);
	errno = saved;
}

void log_event(enum log_level level, const char *event, const char *format, ...)
{
	char detail[LINE_BYTES];
	struct log_line line = {.level = level, .event = event, .detail = detail};
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(detail, sizeof(detail), format, arguments); /* cut when too long */
	va_end(arguments);
	log_emit(&line);
}
