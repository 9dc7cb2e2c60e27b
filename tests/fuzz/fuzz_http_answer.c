/* SPDX-License-Identifier: Apache-2.0 */
/* A JSON pointer in the first line and any body behind it: judged for what it is, and as another lifesign's. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "probe/attempt.c"
#include "probe/kind_http_answer.c" /* a module's, in none of the rooms */
#include "probe/kind_http_follow.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t bytes)
{
	if (strnlen(text, bytes) == bytes)
		abort();
}

static void judge_body(struct dependency *of, const char *body, size_t bytes)
{
	struct probe_result result;
	struct attempt attempt;

	attempt_begin(&attempt, of, &result, 1, 2);
	http_judge_body(&attempt, body, bytes, NULL);
	attempt_end(&attempt);
	if (result.error >= PROBE_ERRORS)
		abort();
	check_text(result.detail, sizeof result.detail);
}

static void follow(const char *body, size_t bytes)
{
	struct http_follow seen;

	if (http_follow_status(body, bytes, "1a2b3c4d", &seen) || http_follow_verbose(body, "svc", &seen)) {
		check_text(seen.root, sizeof seen.root);
		check_text(seen.reason, sizeof seen.reason);
		check_text(seen.through, sizeof seen.through);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dependency of;
	char *body = malloc(size + 1);
	size_t first;

	memcpy(body, data, size);
	body[size] = '\0';
	first = strcspn(body, "\n");
	snprintf(of.pointer, sizeof of.pointer, "%.*s",
		(int)(first < sizeof of.pointer ? first : sizeof of.pointer - 1), body);
	first += body[first] == '\n';
	for (int expected = 0; expected < 2; expected++) {
		strcpy(of.expect, expected ? "ok" : "");
		judge_body(&of, body + first, size > first ? size - first : 0);
	}
	follow(body + first, size > first ? size - first : 0);
	free(body);
	return 0;
}
