/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/kind_mongodb_uri.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* hosts/path?query of a URL, without scheme and user. */
static const char *behind_user(const char *url)
{
	const char *at = strstr(url, "://"), *end, *sign;

	at = at ? at + 3 : url;
	end = at + strcspn(at, "/?#");
	for (sign = at; (sign = memchr(sign, '@', (size_t)(end - sign)));)
		at = ++sign;
	return at;
}

/* Copies the options that are libmongoc's own. */
static void keep_options(const char *query, char *out, size_t bytes)
{
	size_t used = 0;

	*out = 0;
	while (*query) {
		size_t length = strcspn(query, "&;#");

		if (strncasecmp(query, "tls", 3) != 0 && strncasecmp(query, "ssl", 3) != 0 &&
			used + length + 2 < bytes)
			used += (size_t)snprintf(
				out + used, bytes - used, "%s%.*s", used ? "&" : "", (int)length, query);
		query += length;
		if (*query == '#')
			return;
		query += *query != 0;
	}
}

/* With its user, still encoded, whom some options want to be there. */
static mongoc_uri_t *make(const char *url, const char *query, char *why, size_t why_bytes)
{
	const char *hosts = behind_user(url), *scheme = strstr(url, "://"), *user = scheme ? scheme + 3 : url;
	int user_length = hosts > user ? (int)strcspn(user, ":@") : 0;
	char text[DEPENDENCY_URL * 2];
	size_t length = strcspn(hosts, "?#"), host_length = strcspn(hosts, "/?#");
	bson_error_t error = {0};
	mongoc_uri_t *uri;

	(void)snprintf(text, sizeof(text), "mongodb://%.*s%s%.*s%s%s%s", user_length, user,
		user_length ? "@" : "", (int)length, hosts, host_length == length ? "/" : "", *query ? "?" : "",
		query); /* fits */
	uri = mongoc_uri_new_with_error(text, &error);
	if (!uri)
		(void)snprintf(why, why_bytes, "url: %s", error.message);
	return uri;
}

static void copy_text(char *out, const mongoc_uri_t *uri, const char *option)
{
	const char *text = mongoc_uri_get_option_as_utf8(uri, option, "");

	if (!*out)
		(void)snprintf(out, DEPENDENCY_TEXT, "%s", text); /* a longer path is not found */
}

static void take_tls(struct mongodb_uri *out, const mongoc_uri_t *uri)
{
	struct dependency *of = &out->of;

	out->tls = mongoc_uri_get_tls(uri) || of->at.tls || *of->ca_file || *of->cert_file;
	copy_text(of->ca_file, uri, MONGOC_URI_TLSCAFILE);
	copy_text(of->cert_file, uri, MONGOC_URI_TLSCERTIFICATEKEYFILE);
	if (mongoc_uri_get_option_as_bool(uri, MONGOC_URI_TLSINSECURE, false) ||
		mongoc_uri_get_option_as_bool(uri, MONGOC_URI_TLSALLOWINVALIDCERTIFICATES, false))
		of->tls_verify = false;
}

bool mongodb_uri_read(struct mongodb_uri *out, const struct dependency *of, char *why, size_t why_bytes)
{
	const char *hosts = behind_user(of->url), *query = hosts + strcspn(hosts, "?#");
	char kept[DEPENDENCY_URL];
	mongoc_uri_t *whole;

	out->of = *of;
	query += *query == '?';
	whole = make(of->url, query, why, why_bytes);
	if (!whole)
		return false;
	take_tls(out, whole);
	mongoc_uri_destroy(whole);
	keep_options(query, kept, sizeof(kept));
	out->uri = make(of->url, kept, why, why_bytes);
	if (!out->uri)
		return false;
	for (const mongoc_host_list_t *host = mongoc_uri_get_hosts(out->uri); host; host = host->next)
		out->hosts++;
	(void)mongoc_uri_set_appname(out->uri, "lifesign"); /* is a good one */
	return true;
}
