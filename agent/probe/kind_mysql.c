/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mysql and mariadb: COM_PING on a kept connection, the role, and the number of `query`. It speaks the protocol
 * itself: libmariadb's non-blocking calls block in the TLS handshake, and cannot verify a name whose address
 * they were given. Every connection that was let in is ended by COM_QUIT: a server counts the others, and locks
 * a host out that has too many of them.
 *
 * Threads, failure: see kind.h. Memory: one packet.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "probe/kind.h"
#include "probe/kind_mysql_talk.h"

enum { COM_QUERY = 3, COM_PING = 14, ROWS = 16, COLUMNS = 1 << 12, FIELD = 64 };

struct mysql {
	struct mysql_talk talk;
};

static bool skip_columns(struct mysql *mysql, struct attempt *attempt, uint64_t columns)
{
	struct mysql_bytes packet;

	for (uint64_t i = 0; i < columns; i++)
		if (!mysql_talk_receive(&mysql->talk, attempt, &packet))
			return false;
	return mysql_talk_receive(&mysql->talk, attempt, &packet) &&
	       (mysql_packet_is_end(packet) || mysql_talk_fail(attempt, packet, "query"));
}

/* The first two fields of the first row; empty when there are none. */
static bool take_rows(struct mysql *mysql, struct attempt *attempt, char first[FIELD], char second[FIELD])
{
	struct mysql_bytes packet;

	for (unsigned rows = 0; rows < ROWS; rows++) {
		if (!mysql_talk_receive(&mysql->talk, attempt, &packet))
			return false;
		if (*packet.at == 0xff)
			return mysql_talk_fail(attempt, packet, "query");
		if (mysql_packet_is_end(packet))
			return true;
		if (rows == 0 && !mysql_packet_field(&packet, first, FIELD))
			return mysql_talk_fail(attempt, packet, "query");
		if (rows == 0 && packet.left)
			(void)mysql_packet_field(&packet, second, FIELD); /* one that is cut off is empty */
	}
	mysql_talk_close(&mysql->talk, attempt); /* the rest is not worth its way */
	return true;
}

static bool ask_sql(
	struct mysql *mysql, struct attempt *attempt, const char *sql, char first[FIELD], char second[FIELD])
{
	struct mysql_bytes packet, rest;
	uint64_t columns;

	*first = *second = 0;
	if (!mysql_talk_command(&mysql->talk, attempt, COM_QUERY, sql) ||
		!mysql_talk_receive(&mysql->talk, attempt, &packet))
		return false;
	if (*packet.at == 0)
		return true; /* a statement without rows */
	rest = packet;
	if (!mysql_packet_number(&rest, &columns) || columns > COLUMNS)
		return mysql_talk_fail(attempt, packet, "query");
	return skip_columns(mysql, attempt, columns) && take_rows(mysql, attempt, first, second);
}

static bool ping(struct mysql *mysql, struct attempt *attempt)
{
	struct mysql_bytes packet;

	if (!mysql_talk_command(&mysql->talk, attempt, COM_PING, "") ||
		!mysql_talk_receive(&mysql->talk, attempt, &packet))
		return false;
	return *packet.at == 0 || mysql_talk_fail(attempt, packet, "ping");
}

static bool is_on(const char *text)
{
	return *text && strcmp(text, "0") != 0 && strcasecmp(text, "OFF") != 0;
}

/* Read-only as a replica is, or as an engine that shares the primary's disks (Aurora). */
static bool check_role(struct mysql *mysql, struct attempt *attempt)
{
	char first[FIELD], second[FIELD];
	bool replica;

	if (attempt->of->role == ROLE_ANY)
		return true;
	if (!ask_sql(mysql, attempt, "SELECT @@global.read_only, @@global.innodb_read_only", first, second))
		return false;
	if (!*first)
		return attempt_fail(attempt, PROBE_PROTOCOL_ERROR, "it does not say whether it is read-only");
	replica = is_on(first) || is_on(second);
	if (replica != (attempt->of->role == ROLE_REPLICA))
		return attempt_fail(
			attempt, PROBE_WRONG_ROLE, replica ? "it is read-only" : "it is not read-only");
	return true;
}

/* A server goes on when its client is gone: each cycle would leave one more at work. One that has no such limit
 * says so by an error, and is asked without. */
static bool limit(struct mysql *mysql, struct attempt *attempt)
{
	double seconds = (double)(attempt->deadline - attempt->began) / (double)NS_PER_SECOND;
	struct mysql_bytes packet;
	char sql[80];

	if (mysql->talk.is_mariadb)
		(void)snprintf(sql, sizeof(sql), "SET SESSION max_statement_time = %.3f", seconds);
	else
		(void)snprintf(sql, sizeof(sql), "SET SESSION max_execution_time = %.0f", seconds * 1000);
	return mysql_talk_command(&mysql->talk, attempt, COM_QUERY, sql) &&
	       mysql_talk_receive(&mysql->talk, attempt, &packet);
}

static bool ask_number(struct mysql *mysql, struct attempt *attempt)
{
	const struct dependency *of = attempt->of;
	char first[FIELD], second[FIELD], *end;
	double value;

	if (!*of->ask)
		return true;
	if (!ask_sql(mysql, attempt, of->ask, first, second))
		return false;
	value = strtod(first, &end);
	if (end != first && !*end && isfinite(value))
		attempt_value(attempt, value);
	else if (of->has_min || of->has_max || of->work)
		return attempt_fail(attempt, PROBE_PROTOCOL_ERROR, "query: the answer is no number");
	return true;
}

static void ask_mysql(void *state, struct attempt *attempt)
{
	struct mysql *mysql = state;
	bool good = true;

	if (mysql->talk.link.fd >= 0 && !attempt_hung_up(mysql->talk.link.fd))
		attempt_hold(attempt, mysql->talk.link.fd);
	else
		good = mysql_talk_open(&mysql->talk, attempt) && (!*attempt->of->ask || limit(mysql, attempt));
	attempt_phase(attempt, PHASE_ASK);
	good = good && ping(mysql, attempt) && check_role(mysql, attempt) && ask_number(mysql, attempt);
	attempt_hold(attempt, -1);
	if (!good)
		mysql_talk_close(&mysql->talk, attempt);
}

static int open_mysql(const struct dependency *of, void **state, char *why, size_t why_bytes)
{
	struct mysql *mysql = calloc(1, sizeof(*mysql));

	(void)why, (void)why_bytes; /* nothing here can be wrong that the file's reader has not seen */
	if (!mysql)
		return -ENOMEM;
	mysql->talk.link = TLS_LINK_NONE;
	mysql->talk.of = of;
	mysql->talk.on_unix = !strcmp(of->at.scheme, "unix");
	*state = mysql;
	return 0;
}

static void close_mysql(void *state)
{
	struct mysql *mysql = state;

	mysql_talk_close(&mysql->talk, NULL);
	free(mysql);
}

const struct probe_kind probe_kind = {
	.name = "mysql", .open = open_mysql, .ask = ask_mysql, .close = close_mysql};
