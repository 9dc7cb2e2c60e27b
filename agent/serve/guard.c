/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/guard.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

int guard_start(struct guard *guard, unsigned limit)
{
	*guard = (struct guard){.limit = limit, .guests = malloc(limit * sizeof *guard->guests)};
	if (!guard->guests)
		return -ENOMEM;
	for (unsigned i = 0; i < limit; i++)
		guard->guests[i].fd = -1;
	return -pthread_mutex_init(&guard->lock, NULL);
}

void guard_stop(struct guard *guard)
{
	if (!guard->guests)
		return;
	free(guard->guests);
	guard->guests = NULL;
	(void)pthread_mutex_destroy(
		&guard->lock); /* fails for a held one only, and nobody is left to hold it */
}

static void note_peer(struct guest *guest, const struct sockaddr *peer)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	const uint8_t *address = guest->address;

	memset(guest->address, 0, sizeof guest->address);
	guest->kind = PEER_REMOTE;
	if (!peer || peer->sa_family == AF_UNIX) {
		guest->kind = PEER_UNIX;
		return;
	}
	if (peer->sa_family == AF_INET6) {
		memcpy(guest->address, &((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr, 16);
	} else if (peer->sa_family == AF_INET) {
		memcpy(guest->address, mapped, sizeof mapped);
		memcpy(guest->address + 12, &((const struct sockaddr_in *)(const void *)peer)->sin_addr, 4);
	}
	if (memcmp(address, mapped, sizeof mapped) == 0 && address[12] == 127)
		guest->kind = PEER_LOOPBACK;
	if (memcmp(address, &in6addr_loopback, sizeof in6addr_loopback) == 0)
		guest->kind = PEER_LOOPBACK;
}

static int64_t idle_seconds(const struct guest *guest, int64_t now)
{
	return (now - __atomic_load_n(&guest->since, __ATOMIC_RELAXED)) /
	       NS_PER_SECOND; /* a number on its own */
}

static bool has_been_answered(const struct guest *guest)
{
	return __atomic_load_n(&guest->requests, __ATOMIC_RELAXED) > 0; /* a number on its own */
}

static bool is_polite(const struct guest *guest, int64_t now)
{
	return has_been_answered(guest) && idle_seconds(guest, now) >= GUARD_POLITE_SECONDS;
}

static bool is_same_client(const struct guest *guest, const struct guest *other)
{
	return guest->kind != PEER_UNIX && other->kind != PEER_UNIX &&
	       memcmp(guest->address, other->address, sizeof guest->address) == 0;
}

/* First who only idles after an answer, then who has been here longest. */
static bool is_missed_less(const struct guest *guest, const struct guest *other, int64_t now)
{
	if (!other)
		return true;
	if (is_polite(guest, now) != is_polite(other, now))
		return is_polite(guest, now);
	return __atomic_load_n(&guest->since, __ATOMIC_RELAXED) <
	       __atomic_load_n(&other->since, __ATOMIC_RELAXED);
}

/* The library sees the end of the connection and closes it; nothing is closed under its hands. */
static void end_connection_locked(struct guard *guard, struct guest *guest)
{
	(void)shutdown(guest->fd, SHUT_RDWR); /* fails when the client was faster: as good */
	guest->doomed = true;
	guard->doomed++;
}

static struct guest *find_place_locked(struct guard *guard)
{
	for (unsigned i = 0; i < guard->limit; i++) {
		if (guard->guests[i].fd >= 0)
			continue;
		if (i >= guard->top)
			guard->top = i + 1;
		return &guard->guests[i];
	}
	return NULL;
}

static void make_room_locked(struct guard *guard, const struct guest *newcomer, int64_t now)
{
	unsigned margin = guard->limit / 4 < GUARD_MARGIN ? guard->limit / 4 : GUARD_MARGIN;
	struct guest *least = NULL, *least_of_client = NULL;
	unsigned of_client = 0;

	for (struct guest *guest = guard->guests; guest < guard->guests + guard->top; guest++) {
		if (guest->fd < 0 || guest->doomed || guest == newcomer)
			continue;
		if (is_missed_less(guest, least, now))
			least = guest;
		if (!is_same_client(guest, newcomer) || idle_seconds(guest, now) < GUARD_POLITE_SECONDS)
			continue;
		of_client++;
		if (is_missed_less(guest, least_of_client, now))
			least_of_client = guest;
	}
	if (of_client >= GUARD_PER_ADDRESS)
		end_connection_locked(guard, least_of_client);
	else if (least && guard->count - guard->doomed > guard->limit - margin)
		end_connection_locked(guard, least);
}

struct guest *guard_admit(struct guard *guard, int fd, const struct sockaddr *peer, int64_t now)
{
	struct guest *guest;

	pthread_mutex_lock(&guard->lock);
	guest = find_place_locked(guard);
	if (guest) {
		*guest = (struct guest){.fd = fd, .since = now};
		note_peer(guest, peer);
		guard->count++;
		make_room_locked(guard, guest, now);
	}
	pthread_mutex_unlock(&guard->lock);
	return guest;
}

void guard_touch(struct guest *guest, int64_t now)
{
	__atomic_store_n(&guest->since, now, __ATOMIC_RELAXED);                    /* a number on its own */
	__atomic_store_n(&guest->requests, guest->requests + 1, __ATOMIC_RELAXED); /* one writer */
	guest->uploaded = 0;
}

void guard_dismiss(struct guard *guard, struct guest *guest)
{
	pthread_mutex_lock(&guard->lock);
	guard->count--;
	guard->doomed -= guest->doomed;
	guest->fd = -1;
	while (guard->top > 0 && guard->guests[guard->top - 1].fd < 0)
		guard->top--;
	pthread_mutex_unlock(&guard->lock);
}

unsigned guard_reap(struct guard *guard, int64_t now)
{
	unsigned ended = 0;

	pthread_mutex_lock(&guard->lock);
	for (struct guest *guest = guard->guests; guest < guard->guests + guard->top; guest++) {
		if (guest->fd < 0 || guest->doomed)
			continue;
		if (idle_seconds(guest, now) <
			(has_been_answered(guest) ? GUARD_IDLE_SECONDS : GUARD_FRESH_SECONDS))
			continue;
		end_connection_locked(guard, guest);
		ended++;
	}
	pthread_mutex_unlock(&guard->lock);
	return ended;
}
