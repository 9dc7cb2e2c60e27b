/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A DNS server of the test's own, at a port of 127.0.0.1: says what stands in its zone, which the test may change at
 * any time. Threads: one of its own, until the process ends. Failure: it is mute when it is to be.
 */
#ifndef LS_TESTS_PROBE_NAMES_H
#define LS_TESTS_PROBE_NAMES_H

#include <arpa/inet.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { NAME_BYTES = 256, TYPE_A = 1, TYPE_AAAA = 28, RCODE_SERVFAIL = 2, RCODE_NXDOMAIN = 3, RCODE_REFUSED = 5 };

struct zone_row {
	const char *name;
	unsigned four, six; /* how many addresses: 127.0.0.`first`, …; ::1 */
	unsigned first;
	uint32_t ttl;
	unsigned rcode;
	unsigned asked; /* for A */
};

struct name_server {
	pthread_mutex_t lock; /* over its rows, and `mute` */
	struct zone_row *rows;
	unsigned count;
	_Atomic unsigned all; /* how many packets came */
	bool mute;
	int socket;
	unsigned short port;
};

/* "db.example" of a question, and behind it what is asked for. 0: it is none. */
static size_t read_question(const unsigned char *packet, size_t bytes, char name[NAME_BYTES], unsigned *type)
{
	size_t at = 12, used = 0;

	while (at < bytes && packet[at] && at + packet[at] + 1 < bytes && used + packet[at] + 2 < NAME_BYTES) {
		if (used)
			name[used++] = '.';
		memcpy(name + used, packet + at + 1, packet[at]);
		used += packet[at];
		at += packet[at] + 1U;
	}
	name[used] = '\0';
	if (at + 5 > bytes)
		return 0;
	*type = (unsigned)packet[at + 1] << 8 | packet[at + 2];
	return at + 5;
}

static size_t put_record(unsigned char *at, unsigned type, uint32_t ttl, const void *address, unsigned bytes)
{
	const unsigned char head[] = {0xc0, 12, 0, (unsigned char)type, 0, 1, (unsigned char)(ttl >> 24), (unsigned char)(ttl >> 16),
		(unsigned char)(ttl >> 8), (unsigned char)ttl, 0, (unsigned char)bytes};

	memcpy(at, head, sizeof(head));
	memcpy(at + sizeof(head), address, bytes);
	return sizeof(head) + bytes;
}

static struct zone_row *find_row(struct name_server *server, const char *name)
{
	static struct zone_row any = {.four = 1, .first = 77, .ttl = 60}; /* n0.many, n1.many, … */

	for (unsigned i = 0; i < server->count; i++)
		if (!strcasecmp(server->rows[i].name, name))
			return &server->rows[i];
	return strstr(name, ".many") ? &any : NULL;
}

/* Makes the answer of the question, in its place: its bytes. */
static size_t answer_question(struct name_server *server, unsigned char *packet, size_t end, const char *name, unsigned type)
{
	struct zone_row *row = find_row(server, name);
	unsigned rcode = row ? row->rcode : RCODE_NXDOMAIN, records = 0;

	if (row && type == TYPE_A)
		row->asked++;
	for (; row && !rcode && type == TYPE_A && records < row->four; records++)
		end += put_record(packet + end, type, row->ttl, (unsigned char[4]){127, 0, 0, (unsigned char)(row->first + records)}, 4);
	for (; row && !rcode && type == TYPE_AAAA && records < row->six; records++)
		end += put_record(packet + end, type, row->ttl, (unsigned char[16]){[15] = 1}, 16);
	packet[2] = 0x81;
	packet[3] = (unsigned char)(0x80 | rcode);
	packet[7] = (unsigned char)records;
	memset(packet + 8, 0, 4);
	return end;
}

static void *name_server_main(void *argument)
{
	struct name_server *server = argument;

	for (;;) {
		unsigned char packet[2048];
		struct sockaddr_in whom;
		socklen_t length = sizeof(whom);
		ssize_t got = recvfrom(server->socket, packet, 512, 0, (struct sockaddr *)&whom, &length);
		char name[NAME_BYTES];
		unsigned type;
		size_t end = got > 12 ? read_question(packet, (size_t)got, name, &type) : 0;

		(void)pthread_mutex_lock(&server->lock);
		server->all++;
		if (end)
			end = server->mute ? 0 : answer_question(server, packet, end, name, type);
		(void)pthread_mutex_unlock(&server->lock);
		if (end)
			(void)sendto(server->socket, packet, end, 0, (struct sockaddr *)&whom, length); /* who asked may be gone */
	}
	return NULL;
}

static void name_server_start(struct name_server *server, struct zone_row *rows, unsigned count)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(at);
	pthread_t thread;

	*server = (struct name_server){.lock = PTHREAD_MUTEX_INITIALIZER, .rows = rows, .count = count};
	server->socket = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (bind(server->socket, (struct sockaddr *)&at, sizeof(at)) < 0 ||
		getsockname(server->socket, (struct sockaddr *)&at, &length) < 0 ||
		pthread_create(&thread, NULL, name_server_main, server))
		abort();
	(void)pthread_detach(thread);
	server->port = ntohs(at.sin_port);
}

static void name_server_mute(struct name_server *server, bool mute)
{
	(void)pthread_mutex_lock(&server->lock);
	server->mute = mute;
	(void)pthread_mutex_unlock(&server->lock);
}

static struct zone_row name_server_row(struct name_server *server, const char *name)
{
	struct zone_row row;

	(void)pthread_mutex_lock(&server->lock);
	row = *find_row(server, name);
	(void)pthread_mutex_unlock(&server->lock);
	return row;
}

static void name_server_set(struct name_server *server, const char *name, unsigned first, unsigned four, unsigned rcode)
{
	struct zone_row *row;

	(void)pthread_mutex_lock(&server->lock);
	row = find_row(server, name);
	row->first = first;
	row->four = four;
	row->rcode = rcode;
	(void)pthread_mutex_unlock(&server->lock);
}

#endif
