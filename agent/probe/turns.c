/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/turns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "probe/resolver.h"

bool turns_begin(struct turns *turns, struct attempt *attempt, const char *host, unsigned port)
{
	*turns = (struct turns){.host = host};
	turns->count = attempt_resolve(attempt, host, port, turns->list);
	return turns->count > 0;
}

bool turns_next(struct turns *turns, struct attempt *attempt)
{
	const struct attempt_address *at = &turns->list[turns->next];
	const struct sockaddr *address = (const struct sockaddr *)&at->address;
	int64_t now = clock_mono_ns(), left = attempt->deadline - now;
	const void *number =
		address->sa_family == AF_INET
			? (const void *)&((const struct sockaddr_in *)(const void *)address)->sin_addr
			: (const void *)&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;

	if (turns->next >= turns->count || left <= 0)
		return false;
	turns->until = now + left / (turns->count - turns->next);
	turns->next++;
	(void)inet_ntop(address->sa_family, number, turns->number, sizeof(turns->number)); /* room for any */
	attempt_phase(attempt, PHASE_CONNECT);
	attempt_note_address(attempt, address, at->length);
	return true;
}

bool turns_wait(const struct turns *turns, int fd, short events)
{
	struct pollfd wait = {.fd = fd, .events = events};

	for (;;) {
		int64_t left = turns->until - clock_mono_ns();
		int ready;

		if (left <= 0)
			return false;
		ready = poll(&wait, 1, (int)((left + NS_PER_MS - 1) / NS_PER_MS));
		if (ready != 0 && !(ready < 0 && errno == EINTR))
			return ready > 0;
	}
}

bool turns_fail(const struct turns *turns, struct attempt *attempt, int error)
{
	char text[PROBE_ADDRESS];

	memcpy(text, attempt->result->address, sizeof(text));
	resolver_doubt(turns->host); /* it may have moved */
	if (error == ETIMEDOUT)
		return attempt_fail(attempt, PROBE_CONNECT_TIMEOUT, "%s does not answer", text);
	return attempt_fail_errno(attempt, error, text);
}
