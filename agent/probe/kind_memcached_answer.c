/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/kind_memcached_answer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool begins(const char *line, const char *with)
{
	return !strncmp(line, with, strlen(with));
}

/* STAT NAME VALUE */
static void take_stat(struct memcached_answer *answer, const char *name)
{
	size_t length = strcspn(name, " ");
	char *end;

	if (!answer->wanted || strlen(answer->wanted) != length || strncmp(name, answer->wanted, length) ||
		!name[length])
		return;
	answer->has_value = true;
	answer->value = strtod(name + length + 1, &end);
	answer->is_number = end != name + length + 1 && !*end && isfinite(answer->value);
}

static enum memcached_outcome end_line(struct memcached_answer *answer)
{
	static const struct {
		const char *with;
		enum memcached_outcome outcome;
		enum probe_error error;
	} rows[] = {
		{"VERSION ", MEMCACHED_DONE, PROBE_OK},
		{"END", MEMCACHED_DONE, PROBE_OK},
		{"STORED", MEMCACHED_DONE, PROBE_OK},
		{"CLIENT_ERROR unauthenticated", MEMCACHED_LOGIN, PROBE_AUTH_FAILED},
		{"CLIENT_ERROR authentication", MEMCACHED_FAILED, PROBE_AUTH_FAILED},
		{"ERROR Too many open connections", MEMCACHED_FAILED, PROBE_SATURATED},
		{"SERVER_ERROR out of memory", MEMCACHED_FAILED, PROBE_SATURATED},
		{"SERVER_ERROR", MEMCACHED_FAILED, PROBE_NOT_READY},
	};

	if (begins(answer->line, "STAT ")) {
		take_stat(answer, answer->line + strlen("STAT "));
		return MEMCACHED_MORE;
	}
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (begins(answer->line, rows[i].with)) {
			answer->error = rows[i].error;
			return rows[i].outcome;
		}
	}
	answer->error = PROBE_PROTOCOL_ERROR;
	return MEMCACHED_FAILED;
}

enum memcached_outcome memcached_answer_take(struct memcached_answer *answer, const char *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		enum memcached_outcome outcome;

		if (bytes[i] != '\n' && answer->length < sizeof(answer->line) - 1) {
			answer->line[answer->length++] = bytes[i];
			continue;
		}
		if (bytes[i] == '\n' && answer->length && answer->line[answer->length - 1] == '\r')
			answer->length--;
		answer->line[answer->length] = 0;
		outcome = bytes[i] == '\n' && answer->lines++ < MEMCACHED_LINES ? end_line(answer)
										: MEMCACHED_FAILED;
		if (outcome == MEMCACHED_FAILED && !answer->error)
			answer->error = PROBE_PROTOCOL_ERROR; /* too long */
		if (outcome != MEMCACHED_MORE)
			return outcome;
		answer->length = 0;
	}
	return MEMCACHED_MORE;
}
