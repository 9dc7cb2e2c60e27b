/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl under an attempt's deadline: see curl_link.h. Redirects, proxies, netrc and compression are off: what
 * is asked is exactly what was configured.
 */
#include "probe/curl_link.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct {
	CURLcode code;
	enum probe_error error;
} codes[] = {
	{CURLE_SSL_CONNECT_ERROR, PROBE_TLS_ERROR},
	{CURLE_PEER_FAILED_VERIFICATION, PROBE_TLS_ERROR},
	{CURLE_SSL_CIPHER, PROBE_TLS_ERROR},
	{CURLE_SSL_ISSUER_ERROR, PROBE_TLS_ERROR},
	{CURLE_SSL_INVALIDCERTSTATUS, PROBE_TLS_ERROR},
	{CURLE_SSL_CLIENTCERT, PROBE_TLS_ERROR},
	/* files that the configuration names */
	{CURLE_SSL_CERTPROBLEM, PROBE_INTERNAL},
	{CURLE_SSL_CACERT_BADFILE, PROBE_INTERNAL},
	{CURLE_SSL_ENGINE_NOTFOUND, PROBE_INTERNAL},
	{CURLE_OUT_OF_MEMORY, PROBE_INTERNAL},
	{CURLE_FAILED_INIT, PROBE_INTERNAL},
	{CURLE_BAD_FUNCTION_ARGUMENT, PROBE_INTERNAL},
	{CURLE_URL_MALFORMAT, PROBE_INTERNAL},
	{CURLE_NOT_BUILT_IN, PROBE_INTERNAL},
};

static enum probe_error error_of(CURLcode code)
{
	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
		if (codes[i].code == code)
			return codes[i].error;
	return PROBE_PROTOCOL_ERROR; /* it is there, and says what HTTP is not */
}

enum probe_error curl_status_error(long status)
{
	if (status == 401 || status == 403 || status == 407)
		return PROBE_AUTH_FAILED;
	if (status == 429)
		return PROBE_SATURATED;
	return status >= 500 ? PROBE_NOT_READY : PROBE_PROTOCOL_ERROR;
}

/* libcurl wants a socket: connected already, within the attempt's deadline and with its errors. */
static curl_socket_t open_socket(void *data, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct curl_link *link = data;

	(void)purpose, (void)address; /* the address is made up, see resolve_nothing */
	link->fd = attempt_connect(link->attempt, link->of->at.host, link->port);
	if (link->fd >= 0)
		attempt_phase(link->attempt, link->of->at.tls ? PHASE_TLS : PHASE_ASK);
	return link->fd;
}

static int is_connected(void *data, curl_socket_t fd, curlsocktype purpose)
{
	(void)data, (void)fd, (void)purpose;
	return CURL_SOCKOPT_ALREADY_CONNECTED;
}

static int close_socket(void *data, curl_socket_t fd)
{
	struct curl_link *link = data;

	if (fd == link->fd) {
		link->fd = -1;
		if (link->attempt)
			attempt_hold(link->attempt, -1);
	}
	return close(fd);
}

/* The connection is there, with TLS when asked for, new or kept; the request comes next. */
static int is_prepared(void *data, char *peer, char *own, int peer_port, int own_port)
{
	struct curl_link *link = data;

	(void)peer, (void)own, (void)peer_port, (void)own_port;
	attempt_phase(link->attempt, PHASE_ASK);
	return CURL_PREREQFUNC_OK;
}

/* The name stays for TLS and the Host header; its address is asked of nobody: open_socket knows better. */
static int resolve_nothing(struct curl_link *link, char *why, size_t why_bytes)
{
	char entry[DEPENDENCY_TEXT + 64];

	if (strchr(link->of->at.host, ':'))
		return 0; /* an IPv6 address is its own answer */
	snprintf(entry, sizeof entry, "%s:%u:127.0.0.1", link->of->at.host, link->port);
	link->resolve = curl_slist_append(NULL, entry);
	if (!link->resolve)
		snprintf(why, why_bytes, "out of memory");
	return link->resolve ? 0 : -ENOMEM;
}

int curl_link_open(
	struct curl_link *link, const struct dependency *of, const char *scheme, char *why, size_t why_bytes)
{
	char port[16], url[DEPENDENCY_URL + 16];
	CURLUcode wrong;

	*link = (struct curl_link){.of = of, .fd = -1, .port = of->at.port};
	if (!link->port)
		link->port = of->at.tls ? 443 : 80;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) || !(link->url = curl_url())) {
		snprintf(why, why_bytes, "libcurl does not start");
		return -ENOMEM;
	}
	snprintf(port, sizeof port, "%u", link->port);
	snprintf(url, sizeof url, "%s%s", strstr(of->url, "://") ? "" : "http://", of->url); /* the scheme is set below */
	wrong = curl_url_set(link->url, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME);
	explicit_bzero(url, sizeof url);
	if (!wrong)
		wrong = curl_url_set(link->url, CURLUPART_SCHEME, scheme, 0);
	if (!wrong)
		wrong = curl_url_set(link->url, CURLUPART_PORT, port, 0);
	curl_url_set(link->url, CURLUPART_USER, NULL, 0);
	curl_url_set(link->url, CURLUPART_PASSWORD, NULL, 0);
	curl_url_set(link->url, CURLUPART_FRAGMENT, NULL, 0);
	if (wrong) {
		snprintf(why, why_bytes, "url: %s", curl_url_strerror(wrong));
		return -EINVAL;
	}
	return resolve_nothing(link, why, why_bytes);
}

void curl_link_close(struct curl_link *link)
{
	curl_link_drop(link);
	curl_easy_cleanup(link->easy);
	curl_slist_free_all(link->resolve);
	curl_slist_free_all(link->headers);
	curl_url_cleanup(link->url);
	explicit_bzero(link->secret, sizeof link->secret);
}

bool curl_link_header(struct curl_link *link, const char *line)
{
	struct curl_slist *longer = curl_slist_append(link->headers, line);

	if (longer)
		link->headers = longer;
	return longer;
}

/* Connections belong to the multi handle; the easy one keeps its options. */
void curl_link_drop(struct curl_link *link)
{
	if (link->multi && link->easy)
		curl_multi_remove_handle(link->multi, link->easy);
	curl_multi_cleanup(link->multi);
	link->multi = NULL;
}

/* Where distributions keep their authorities, when libcurl was built for another one. NULL: it knows itself. */
static const char *find_authorities(void)
{
	static const char *const files[] = {"/etc/ssl/certs/ca-certificates.crt",
		"/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem", "/etc/ssl/ca-bundle.pem"};
	const char *own = curl_version_info(CURLVERSION_NOW)->cainfo;

	for (size_t i = 0; !(own && access(own, R_OK) == 0) && i < sizeof files / sizeof files[0]; i++)
		if (access(files[i], R_OK) == 0)
			return files[i];
	return NULL;
}

static void configure_tls(CURL *easy, const struct dependency *of)
{
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, of->tls_verify ? 1L : 0L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, of->tls_verify ? 2L : 0L);
	if (of->ca_file[0] || find_authorities())
		curl_easy_setopt(easy, CURLOPT_CAINFO, of->ca_file[0] ? of->ca_file : find_authorities());
	if (of->cert_file[0])
		curl_easy_setopt(easy, CURLOPT_SSLCERT, of->cert_file);
	if (of->key_file[0])
		curl_easy_setopt(easy, CURLOPT_SSLKEY, of->key_file);
}

static void configure(struct curl_link *link)
{
	CURL *easy = link->easy;

	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_CURLU, link->url);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, link->headers);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "lifesign/" LS_VERSION);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, link->error);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_MAXCONNECTS, 1L);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, link);
	curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, is_connected);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, link);
	curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, is_prepared);
	curl_easy_setopt(easy, CURLOPT_PREREQDATA, link);
	configure_tls(easy, link->of);
}

/* User and password of the URL or the file, read again for each question: files of secrets are rotated. */
static bool give_credentials(struct curl_link *link)
{
	if (!link->of->at.user[0] && !link->of->at.password[0] && !link->of->password_file[0])
		return true;
	if (!attempt_password(link->attempt, link->secret, sizeof link->secret))
		return false;
	curl_easy_setopt(link->easy, CURLOPT_USERNAME, link->of->at.user);
	curl_easy_setopt(link->easy, CURLOPT_PASSWORD, link->secret);
	return true;
}

CURL *curl_link_begin(struct curl_link *link, struct attempt *attempt)
{
	link->attempt = attempt;
	if (!link->easy && (link->easy = curl_easy_init()))
		configure(link);
	if (!link->easy) {
		attempt_fail(attempt, PROBE_INTERNAL, "out of memory");
		return NULL;
	}
	if (attempt_hung_up(link->fd))
		curl_link_drop(link);
	attempt_hold(attempt, link->fd);
	return give_credentials(link) ? link->easy : NULL;
}

static void fail_late(struct attempt *attempt)
{
	attempt_fail(attempt, PROBE_TIMEOUT, "%s",
		attempt->phase == PHASE_TLS ? "no TLS handshake within the time"
					    : "no whole answer within the time");
}

/* Until the answer is there, the attempt has failed, or its time is over. */
static CURLcode run(struct curl_link *link)
{
	CURLcode result = CURLE_FAILED_INIT;
	int running = 1, left;
	CURLMsg *message;

	while (running) {
		if (curl_multi_perform(link->multi, &running) != CURLM_OK)
			return CURLE_FAILED_INIT;
		if (!running || attempt_failed(link->attempt))
			break;
		left = attempt_left_ms(link->attempt);
		if (left == 0) {
			fail_late(link->attempt);
			break;
		}
		curl_multi_poll(link->multi, NULL, 0, left, NULL);
	}
	while ((message = curl_multi_info_read(link->multi, &left)))
		if (message->msg == CURLMSG_DONE)
			result = message->data.result;
	return result;
}

/* libcurl 7.88 begins HTTP/2 anew on each request that is made with prior knowledge: a kept connection knows.
 */
static void choose_version(struct curl_link *link)
{
	bool prior = link->prior_knowledge && !link->of->at.tls && link->fd < 0;

	curl_easy_setopt(link->easy, CURLOPT_HTTP_VERSION,
		(long)(prior ? CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE : CURL_HTTP_VERSION_2TLS));
}

static CURLcode perform(struct curl_link *link, bool *cut)
{
	CURLcode result;

	link->error[0] = '\0';
	if (!link->multi) { /* the names belong to it: with a new one libcurl would ask the system, for as long as that takes */
		link->multi = curl_multi_init();
		curl_easy_setopt(link->easy, CURLOPT_RESOLVE, link->resolve);
	}
	choose_version(link);
	if (curl_multi_add_handle(link->multi, link->easy) != CURLM_OK)
		return CURLE_FAILED_INIT;
	result = run(link);
	curl_multi_remove_handle(link->multi, link->easy);
	return result == CURLE_WRITE_ERROR && *cut ? CURLE_OK : result;
}

long curl_link_perform(struct curl_link *link, bool *cut)
{
	bool kept = link->fd >= 0;
	CURLcode result = perform(link, cut);
	long status = 0;

	curl_easy_getinfo(link->easy, CURLINFO_RESPONSE_CODE, &status);
	if (result != CURLE_OK && status == 0 && kept && !attempt_failed(link->attempt)) {
		curl_link_drop(link); /* it was about to be closed by the other side: that is no answer */
		result = perform(link, cut);
		curl_easy_getinfo(link->easy, CURLINFO_RESPONSE_CODE, &status);
	}
	if (result != CURLE_OK)
		attempt_fail(link->attempt, error_of(result), "%s",
			link->error[0] ? link->error : curl_easy_strerror(result));
	if (!attempt_failed(link->attempt))
		return status;
	curl_link_drop(link);
	return 0;
}
