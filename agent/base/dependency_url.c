/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Splits the URL of a dependency: scheme://[user[:password]@]host[:port][,host…][/path][?query], or host[:port] alone.
 * Complaints never hold what stands before the @.
 */
#include "base/dependency_table.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct parts {
	const char *scheme, *user, *hosts, *path, *query;
	size_t scheme_length, user_length, hosts_length, path_length;
};

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Percent-decoded into out: false when it is no text or does not fit. */
static bool decode(const char *text, size_t length, char *out, size_t bytes)
{
	size_t used = 0;

	for (size_t i = 0; i < length; i++) {
		int c = (unsigned char)text[i];

		if (c == '%') {
			if (i + 2 >= length || digit(text[i + 1]) < 0 || digit(text[i + 2]) < 0)
				return false;
			c = digit(text[i + 1]) * 16 + digit(text[i + 2]);
			i += 2;
		}
		if (used + 1 >= bytes || !c)
			return false;
		out[used++] = (char)c;
	}
	out[used] = 0;
	return true;
}

static void split(const char *url, struct parts *out)
{
	const char *at = strstr(url, "://"), *end, *sign;

	memset(out, 0, sizeof(*out));
	out->scheme = url;
	out->scheme_length = at ? (size_t)(at - url) : 0;
	at = at ? at + 3 : url;
	end = at + strcspn(at, "/?#");
	out->user = at;
	for (sign = at; (sign = memchr(sign, '@', (size_t)(end - sign))); sign++)
		out->user_length = (size_t)(sign - at);
	out->hosts = out->user_length || *at == '@' ? at + out->user_length + 1 : at;
	out->hosts_length = (size_t)(end - out->hosts);
	out->path = end;
	out->path_length = strcspn(end, "?#");
	out->query = end[out->path_length] == '?' ? end + out->path_length + 1 : "";
}

/* What may be shown of hosts and path: no query, no port that is no number, and nothing at all when an @ stands behind the
 * hosts: a password with a / ? or # in it has been split in the wrong place. */
static int shown_length(const struct parts *parts)
{
	size_t length = parts->hosts_length, port;

	if (strchr(parts->path, '@'))
		return 0;
	for (port = length; port && parts->hosts[port - 1] != ':'; port--)
		;
	if (port && strspn(parts->hosts + port, "0123456789]") < length - port)
		return (int)port;
	return (int)(length + parts->path_length < 100 ? length + parts->path_length : 100);
}

/* An @ in the path, or behind a #: a query may have one. */
static bool is_misplaced(const struct parts *parts)
{
	const char *fragment = strchr(parts->path, '#');

	return memchr(parts->path, '@', parts->path_length) || (fragment && strchr(fragment, '@'));
}

static int refuse(const struct parts *parts, const char *reason, char *why, size_t bytes)
{
	int shown = shown_length(parts);
	bool cut = (size_t)shown < parts->hosts_length;

	(void)snprintf(why, bytes, "found '%.*s%s%s%.*s%s', %s", (int)parts->scheme_length, parts->scheme,
		parts->scheme_length ? "://" : "", parts->user_length && shown ? "…@" : "", shown, parts->hosts, cut ? "…" : "",
		reason); /* cut when long */
	return -EINVAL;
}

static const struct dependency_scheme *find_scheme(const struct dependency_kind_row *row, const struct parts *parts)
{
	if (!parts->scheme_length)
		return &row->schemes[0];
	for (const struct dependency_scheme *at = row->schemes; at < row->schemes + DEPENDENCY_SCHEMES && at->name; at++)
		if (strlen(at->name) == parts->scheme_length && !strncmp(at->name, parts->scheme, parts->scheme_length))
			return at;
	return NULL;
}

static int refuse_scheme(const struct dependency_kind_row *row, const struct parts *parts, char *why, size_t bytes)
{
	char allowed[120] = "allowed: ";
	size_t used = strlen(allowed);

	for (const struct dependency_scheme *at = row->schemes; at < row->schemes + DEPENDENCY_SCHEMES && at->name; at++)
		used += (size_t)snprintf(allowed + used, sizeof(allowed) - used, "%s%s://", at == row->schemes ? "" : ", ",
			at->name); /* the longest list fits */
	return refuse(parts, allowed, why, bytes);
}

/* 1..65535 or 0. */
static unsigned parse_port(const char *text, size_t length)
{
	size_t digits = strspn(text, "0123456789");
	unsigned long port = digits == length && digits <= 5 ? strtoul(text, NULL, 10) : 0;

	return port <= 65535 ? (unsigned)port : 0;
}

static bool is_host(const char *host)
{
	static const char fit[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:";

	return *host && *host != '-' && strspn(host, fit) == strlen(host);
}

/* One of the list: `host` up to `end`. NULL, or what is wrong. */
static const char *take_host(const char *host, const char *end, struct dependency_url *at)
{
	size_t length = (size_t)(end - host);
	struct in6_addr number;
	const char *colon;

	if (*host == '[' && length) {
		const char *bracket = memchr(host, ']', length);

		if (!bracket || !decode(host + 1, (size_t)(bracket - host - 1), at->host, sizeof(at->host)) ||
			inet_pton(AF_INET6, at->host, &number) != 1)
			return "allowed: [v6]:PORT";
		colon = bracket + 1;
	} else {
		colon = memchr(host, ':', length);
		colon = colon ? colon : end;
		if (colon != host &&
			(!decode(host, (size_t)(colon - host), at->host, sizeof(at->host)) || !is_host(at->host) || strchr(at->host, ':')))
			return "allowed: HOST[:PORT] with letters, digits, . - _";
	}
	if (colon == end)
		return NULL;
	at->port = *colon == ':' ? parse_port(colon + 1, (size_t)(end - colon - 1)) : 0;
	return at->port ? NULL : "allowed: a port from 1 to 65535";
}

/* All of the list; `at` has the first. NULL, or what is wrong. */
static const char *take_hosts(const struct dependency_kind_row *row, const struct parts *parts, struct dependency_url *at)
{
	const char *end = parts->hosts + parts->hosts_length, *from = parts->hosts, *comma = memchr(from, ',', parts->hosts_length);
	const char *wrong = take_host(from, comma ? comma : end, at);
	struct dependency_url other;

	if (!wrong && comma && !row->many_hosts)
		return "allowed: one host; several are dependencies of one group";
	while (!wrong && comma) {
		from = comma + 1;
		comma = memchr(from, ',', (size_t)(end - from));
		other = *at;
		*other.host = 0;
		wrong = take_host(from, comma ? comma : end, &other);
		if (!wrong && !*other.host)
			wrong = "a host is missing in the list";
	}
	return wrong;
}

static bool take_user(const struct parts *parts, struct dependency_url *at)
{
	const char *colon = memchr(parts->user, ':', parts->user_length);
	size_t user = colon ? (size_t)(colon - parts->user) : parts->user_length;

	return decode(parts->user, user, at->user, sizeof(at->user)) &&
	       (!colon || decode(colon + 1, parts->user_length - user - 1, at->password, sizeof(at->password)));
}

int dependency_parse_url(enum dependency_kind kind, const char *url, struct dependency_url *at, char *why, size_t bytes)
{
	const struct dependency_kind_row *row = &dependency_kinds[kind];
	const struct dependency_scheme *scheme;
	struct parts parts;
	const char *wrong;

	split(url, &parts);
	memset(at, 0, sizeof(*at));
	scheme = find_scheme(row, &parts);
	if (!scheme)
		return refuse_scheme(row, &parts, why, bytes);
	strcpy(at->scheme, scheme->name); /* short constants */
	at->tls = scheme->tls;
	if (!take_user(&parts, at))
		return refuse(&parts, "its user or password is no percent-encoded text of at most 255 bytes", why, bytes);
	wrong = take_hosts(row, &parts, at);
	if (wrong ? strchr(parts.path, '@') != NULL : kind != DEPENDENCY_HTTP && strcmp(scheme->name, "unix") && is_misplaced(&parts))
		wrong = "allowed before the @: / as %2F, ? as %3F, # as %23";
	if (wrong)
		return refuse(&parts, wrong, why, bytes);
	if (!decode(parts.path, parts.path_length, at->path, sizeof(at->path)) || strlen(parts.query) >= sizeof(at->query))
		return refuse(&parts, "its path or query is longer than 255 bytes or wrongly encoded", why, bytes);
	(void)snprintf(at->query, sizeof(at->query), "%.*s", (int)strcspn(parts.query, "#"), parts.query);
	if (!strcmp(scheme->name, "unix"))
		return *at->path && !*at->host ? 0 : refuse(&parts, "allowed: unix:///PATH", why, bytes);
	if (!*at->host && !row->host_free)
		return refuse(&parts, "a host is missing", why, bytes);
	if (!at->port)
		at->port = scheme->port;
	return at->port ? 0 : refuse(&parts, "a port is missing", why, bytes);
}

void dependency_show_url(const struct dependency *of, char *out, size_t bytes)
{
	struct parts parts;
	const char *colon;
	size_t user;

	split(of->url, &parts);
	colon = memchr(parts.user, ':', parts.user_length);
	user = colon ? (size_t)(colon - parts.user) : parts.user_length;
	/* what follows a ? may hold a password as well (libpq, libmongoc) */
	(void)snprintf(out, bytes, "%.*s%s%.*s%s%.*s%.*s", (int)parts.scheme_length, parts.scheme,
		parts.scheme_length ? "://" : "", (int)user, parts.user, parts.user_length ? "@" : "",
		(int)parts.hosts_length, parts.hosts, (int)parts.path_length, parts.path); /* cut when long */
}
