/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/kind_mysql_packet.h"

#include <stdio.h>
#include <string.h>

static bool skip(struct mysql_bytes *packet, size_t count)
{
	if (packet->left < count)
		return false;
	packet->at += count;
	packet->left -= count;
	return true;
}

/* `count` bytes, the least first. */
static bool take(struct mysql_bytes *packet, unsigned count, uint64_t *out)
{
	const uint8_t *at = packet->at;

	if (!skip(packet, count))
		return false;
	*out = 0;
	for (unsigned i = 0; i < count; i++)
		*out |= (uint64_t)at[i] << (8 * i);
	return true;
}

/* A text that ends with 0, or with the packet. */
static void take_text(struct mysql_bytes *packet, char *out, size_t bytes)
{
	const uint8_t *end = memchr(packet->at, 0, packet->left);
	size_t length = end ? (size_t)(end - packet->at) : packet->left;

	(void)snprintf(
		out, bytes, "%.*s", (int)length, (const char *)packet->at); /* a longer one is no known name */
	(void)skip(packet, end ? length + 1 : length);                      /* is there */
}

bool mysql_packet_greeting(struct mysql_bytes packet, struct mysql_greeting *out)
{
	char version[64];
	uint64_t protocol, low, high, length;
	const uint8_t *first, *second;
	size_t rest;

	*out = (struct mysql_greeting){0};
	if (!take(&packet, 1, &protocol) || protocol != 10 || !packet.left)
		return false;
	take_text(&packet, version, sizeof(version));
	out->is_mariadb = strstr(version, "MariaDB") != NULL;
	if (!skip(&packet, 4)) /* its number of this connection */
		return false;
	first = packet.at;
	if (!skip(&packet, 9) || !take(&packet, 2, &low) || !skip(&packet, 3) || !take(&packet, 2, &high) ||
		!take(&packet, 1, &length) || !skip(&packet, 10))
		return false;
	second = packet.at;
	rest = length > 8 + 13 ? (size_t)length - 8 : 13;
	if (!skip(&packet, rest))
		return false;
	out->capabilities = (uint32_t)(low | high << 16);
	memcpy(out->scramble, first, 8);
	memcpy(out->scramble + 8, second, MYSQL_SCRAMBLE - 8);
	if (out->capabilities & MYSQL_PLUGINS)
		take_text(&packet, out->plugin, sizeof(out->plugin));
	return true;
}

bool mysql_packet_switch(struct mysql_bytes packet, struct mysql_greeting *out)
{
	if (packet.left < 2 || *packet.at != 0xfe)
		return false;
	(void)skip(&packet, 1); /* is there */
	take_text(&packet, out->plugin, sizeof(out->plugin));
	if (packet.left >= MYSQL_SCRAMBLE)
		memcpy(out->scramble, packet.at, MYSQL_SCRAMBLE);
	return true;
}

static enum probe_error error_of(unsigned code)
{
	static const struct {
		unsigned code;
		enum probe_error error;
	} rows[] = {
		{1040, PROBE_SATURATED},                          /* too many connections */
		{1203, PROBE_SATURATED},                          /* of this user */
		{1226, PROBE_SATURATED},                          /* or of his limits */
		{1037, PROBE_SATURATED},                          /* memory */
		{1041, PROBE_SATURATED}, {1135, PROBE_SATURATED}, /* threads */
		{1021, PROBE_SATURATED},                          /* disk */
		{1044, PROBE_AUTH_FAILED},                        /* not that database */
		{1045, PROBE_AUTH_FAILED},                        /* wrong password */
		{1129, PROBE_AUTH_FAILED},                        /* host blocked */
		{1130, PROBE_AUTH_FAILED},                        /* host not allowed */
		{1142, PROBE_AUTH_FAILED},                        /* not that table */
		{1227, PROBE_AUTH_FAILED}, {1251, PROBE_AUTH_FAILED},
		{1524, PROBE_AUTH_FAILED},                            /* plugin not loaded */
		{1698, PROBE_AUTH_FAILED}, {1820, PROBE_AUTH_FAILED}, /* password has expired */
		{1862, PROBE_AUTH_FAILED}, {3118, PROBE_AUTH_FAILED}, /* account locked */
		{3159, PROBE_AUTH_FAILED},                            /* only with TLS */
		{4151, PROBE_AUTH_FAILED}, {1047, PROBE_NOT_READY},   /* a Galera node that is not in sync */
		{1049, PROBE_NOT_READY},                              /* the database is not made yet */
		{1053, PROBE_NOT_READY},                              /* ending */
		{1079, PROBE_NOT_READY}, {1927, PROBE_NOT_READY},     /* killed */
		{3032, PROBE_NOT_READY},                              /* offline */
		{1290, PROBE_WRONG_ROLE},                             /* read-only */
		{1836, PROBE_WRONG_ROLE}, {1792, PROBE_WRONG_ROLE},
		{1969, PROBE_TIMEOUT},                        /* max_statement_time */
		{3024, PROBE_TIMEOUT}, {1205, PROBE_TIMEOUT}, /* waiting for a lock */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (rows[i].code == code)
			return rows[i].error;
	return PROBE_PROTOCOL_ERROR;
}

bool mysql_packet_error(struct mysql_bytes packet, struct mysql_error *out)
{
	uint64_t mark, code;

	if (!take(&packet, 1, &mark) || mark != 0xff || !take(&packet, 2, &code))
		return false;
	if (packet.left > 5 && *packet.at == '#') /* SQLSTATE, which says less */
		(void)skip(&packet, 6);
	out->code = (unsigned)code;
	out->error = error_of(out->code);
	(void)snprintf(out->text, sizeof(out->text), "%.*s (%u)", (int)packet.left, (const char *)packet.at,
		out->code); /* cut when long */
	return true;
}

bool mysql_packet_number(struct mysql_bytes *packet, uint64_t *out)
{
	uint64_t first;

	if (!take(packet, 1, &first))
		return false;
	if (first < 0xfb) {
		*out = first;
		return true;
	}
	return first >= 0xfc && first <= 0xfe && take(packet, first == 0xfc ? 2 : first == 0xfd ? 3 : 8, out);
}

bool mysql_packet_field(struct mysql_bytes *packet, char *out, size_t bytes)
{
	const uint8_t *text;
	uint64_t length;

	*out = 0;
	if (packet->left && *packet->at == 0xfb) /* NULL */
		return skip(packet, 1);
	if (!mysql_packet_number(packet, &length) || length > packet->left)
		return false;
	text = packet->at;
	(void)snprintf(out, bytes, "%.*s", (int)length, (const char *)text); /* longer is no number */
	return skip(packet, (size_t)length);
}

bool mysql_packet_is_end(struct mysql_bytes packet)
{
	return packet.left && packet.left < 9 && *packet.at == 0xfe;
}
