/* SPDX-License-Identifier: Apache-2.0 */
/* build: pkg=libcurl */
/* Any header lines, and behind an empty one any body, as libcurl hands them to the kind grpc: a result that is sound. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "probe/kind_grpc.c" /* a module's, in none of the rooms */
#include "probe/kind_grpc_wire.c"
#include "base/clock.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	const uint8_t *bytes;
	size_t left;
} said;

/* ---- in place of probe/curl_link.c */

int curl_link_open(struct curl_link *link, const struct dependency *of, const char *scheme, char *why, size_t why_bytes)
{
	(void)scheme, (void)why, (void)why_bytes;
	*link = (struct curl_link){.of = of, .fd = -1};
	return 0;
}

void curl_link_close(struct curl_link *link)
{
	curl_easy_cleanup(link->easy);
}

bool curl_link_header(struct curl_link *link, const char *line)
{
	(void)link, (void)line;
	return true;
}

CURL *curl_link_begin(struct curl_link *link, struct attempt *attempt)
{
	link->attempt = attempt;
	return link->easy = curl_easy_init();
}

void curl_link_drop(struct curl_link *link)
{
	(void)link;
}

enum probe_error curl_status_error(long status)
{
	return status >= 500 ? PROBE_NOT_READY : PROBE_PROTOCOL_ERROR;
}

/* A piece of it in memory of exact size, as libcurl's ends with no 0. */
static bool give(size_t (*take)(char *, size_t, size_t, void *), size_t count, void *kind)
{
	char *piece = malloc(count + !count);
	bool taken;

	if (count)
		memcpy(piece, said.bytes, count);
	said.bytes += count;
	said.left -= count;
	taken = take(piece, 1, count, kind) == count;
	free(piece);
	return taken;
}

long curl_link_perform(struct curl_link *link, bool *cut)
{
	bool go = true;

	while (go && said.left && *said.bytes != '\n') {
		const uint8_t *end = memchr(said.bytes, '\n', said.left);

		go = give(see_header, end ? (size_t)(end - said.bytes) + 1 : said.left, link);
	}
	while (go && said.left)
		go = give(keep_answer, said.left < 700 ? said.left : 700, link);
	if (!go && !*cut)
		abort();
	return 200;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dependency of;
	static struct probe_result result;
	static struct attempt attempt;
	int64_t now = clock_mono_ns();
	void *state = NULL;
	char why[64];

	said.bytes = data;
	said.left = size;
	if (probe_kind.open(&of, &state, why, sizeof why))
		abort();
	attempt_begin(&attempt, &of, &result, now, now + 60 * NS_PER_SECOND);
	probe_kind.ask(state, &attempt);
	attempt_end(&attempt);
	probe_kind.close(state);
	result.epoch = 1;
	if (!probe_result_check(&result, sizeof result, 1, 1))
		abort();
	return 0;
}
