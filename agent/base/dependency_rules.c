/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a kind can make nothing of, told when the file is read and not by the first question: its open() refuses the same.
 * Threads: any; nothing is kept.
 */
#include "base/dependency_table.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

enum { DATABASES = 1 << 16, NAME_BYTES = 253 };

static bool has_database(const struct dependency *of)
{
	bool local = !strcmp(of->at.scheme, "unix");
	const char *query = local ? strstr(of->at.query, "db=") : NULL, *number = query ? query + 3 : local ? "" : of->at.path;
	unsigned long value = 0;

	number += *number == '/';
	for (; isdigit((unsigned char)*number) && value <= DATABASES; number++)
		value = value * 10 + (unsigned long)(*number - '0');
	return (!*number || (query && *number == '&')) && value <= DATABASES;
}

static bool closes_quotes(const struct dependency *of)
{
	char quote = 0;

	for (const char *at = of->ask; *at; at++) {
		if (quote == '"' && *at == '\\' && at[1])
			at++;
		else if (quote ? *at == quote : *at == '"' || *at == '\'')
			quote = quote ? 0 : *at;
	}
	return !quote;
}

static bool is_escaped(const char *at)
{
	for (; (at = strchr(at, '\\')); at += 2) {
		if (at[1] == 'x' && isxdigit((unsigned char)at[2]) && isxdigit((unsigned char)at[3]))
			continue;
		if (!at[1] || !strchr("rnt0\\", at[1]))
			return false;
	}
	return true;
}

static bool sends_bytes(const struct dependency *of)
{
	return is_escaped(of->send);
}

static bool expects_bytes(const struct dependency *of)
{
	return is_escaped(of->expect);
}

static bool names_stream(const struct dependency *of)
{
	return !strpbrk(of->topic, " .*>\t");
}

static bool names_consumer(const struct dependency *of)
{
	return !strpbrk(of->group, " .*>\t");
}

static bool has_password(const struct dependency *of)
{
	return !of->at.user[0] || of->at.password[0] || of->password_file[0];
}

static bool has_method(const struct dependency *of)
{
	return strspn(of->method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") == strlen(of->method);
}

static bool has_no_blank(const struct dependency *of)
{
	return !strpbrk(of->url, " \t\r\n");
}

static bool has_program(const struct dependency *of)
{
	return !of->word_count || of->words[0][0];
}

static bool asks_name(const struct dependency *of)
{
	return strlen(of->ask) <= NAME_BYTES && !strpbrk(of->ask, " \t/:");
}

static bool expects_address(const struct dependency *of)
{
	unsigned char address[sizeof(struct in6_addr)];

	return !of->expect[0] || inet_pton(AF_INET, of->expect, address) == 1 || inet_pton(AF_INET6, of->expect, address) == 1;
}

const char *dependency_broken_rule(const struct dependency *of, const char **allowed)
{
	static const struct {
		enum dependency_kind kind;
		const char *key;
		bool (*good)(const struct dependency *);
		const char *allowed;
	} rules[] = {
		{DEPENDENCY_REDIS, "url", has_database, "allowed: a number as the database, as in redis://cache:6379/0 or unix:///PATH?db=0"},
		{DEPENDENCY_REDIS, "command", closes_quotes, "allowed: words, each quote closed, as in LLEN \"my jobs\""},
		{DEPENDENCY_TCP, "send", sends_bytes, "allowed: bytes, \\r \\n \\t \\0 \\\\ \\xNN"},
		{DEPENDENCY_TCP, "expect", expects_bytes, "allowed: bytes, \\r \\n \\t \\0 \\\\ \\xNN"},
		{DEPENDENCY_NATS, "stream", names_stream, "allowed: a name without blanks . * >"},
		{DEPENDENCY_NATS, "consumer", names_consumer, "allowed: a name without blanks . * >"},
		{DEPENDENCY_KAFKA, "url", has_password, "a user without a password, allowed: passwordFile: PATH besides, or USER:PASSWORD@"},
		{DEPENDENCY_HTTP, "url", has_no_blank, "allowed: a URL without blanks, %20 instead"},
		{DEPENDENCY_HTTP, "method", has_method, "allowed: a method in capitals, as in GET or HEAD"},
		{DEPENDENCY_EXEC, "command", has_program, "allowed: a list of words that begins with a program"},
		{DEPENDENCY_DNS, "query", asks_name, "allowed: a name of at most 253 bytes without blanks / :"},
		{DEPENDENCY_DNS, "expect", expects_address, "allowed: an IPv4 or IPv6 address"},
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		if (rules[i].kind != of->kind || rules[i].good(of))
			continue;
		*allowed = rules[i].allowed;
		return rules[i].key;
	}
	return NULL;
}
