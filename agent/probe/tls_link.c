/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS runs over two memory buffers, so that every byte is sent and received here: the attempt's
 * deadline is the only one, and OpenSSL never touches the descriptor.
 */
#include "probe/tls_link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

bool tls_link_open(struct tls_link *link, struct attempt *attempt, unsigned port, const char *path)
{
	*link = TLS_LINK_NONE;
	link->fd = path ? attempt_connect_unix(attempt, path)
			: attempt_connect(attempt, attempt->of->at.host, port);
	return link->fd >= 0;
}

void tls_link_close(struct tls_link *link, struct attempt *attempt)
{
	if (attempt)
		attempt_hold(attempt, -1);
	SSL_free(link->tls); /* and its buffers */
	if (link->fd >= 0)
		close(link->fd);
	*link = TLS_LINK_NONE;
}

/* A server that hung up may have said why before, so that is left to the next receive. */
static bool push(struct tls_link *link, struct attempt *attempt, const char *bytes, size_t count)
{
	while (count) {
		ssize_t sent = send(link->fd, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent >= 0) {
			bytes += sent;
			count -= (size_t)sent;
		} else if (errno == EPIPE || errno == ECONNRESET) {
			return true;
		} else if (errno == EAGAIN) {
			if (!attempt_wait(attempt, link->fd, POLLOUT))
				return false;
		} else if (errno != EINTR) {
			return attempt_fail_errno(attempt, errno, "sending");
		}
	}
	return true;
}

/* As attempt_receive, but a reset is an end like any other. */
static long pull(struct tls_link *link, struct attempt *attempt, void *bytes, size_t room)
{
	for (;;) {
		ssize_t got;

		if (!attempt_wait(attempt, link->fd, POLLIN))
			return -1;
		got = recv(link->fd, bytes, room, MSG_DONTWAIT);
		if (got >= 0 || errno == ECONNRESET)
			return got >= 0 ? got : 0;
		if (errno != EAGAIN && errno != EINTR) {
			(void)attempt_fail_errno(attempt, errno, "receiving");
			return -1;
		}
	}
}

/* ---- TLS */

static bool fail_tls(struct attempt *attempt, const SSL *tls, const char *doing)
{
	long verified = tls && attempt->of->tls_verify ? SSL_get_verify_result(tls) : X509_V_OK;
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	ERR_clear_error();
	if (verified != X509_V_OK)
		return attempt_fail(
			attempt, PROBE_TLS_ERROR, "certificate: %s", X509_verify_cert_error_string(verified));
	return attempt_fail(attempt, PROBE_TLS_ERROR, "%s: %s", doing, reason ? reason : "it hung up");
}

/* Where distributions keep their authorities, when OpenSSL was built for another one. */
static X509_STORE *read_authorities(void)
{
	static const char *const files[] = {"/etc/ssl/certs/ca-certificates.crt",
		"/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem", "/etc/ssl/ca-bundle.pem"};
	X509_STORE *store = X509_STORE_new();

	if (!store)
		return NULL;
	(void)X509_STORE_set_default_paths(store); /* SSL_CERT_FILE, SSL_CERT_DIR too */
	if (access(X509_get_default_cert_file(), R_OK) == 0 || access(X509_get_default_cert_dir(), R_OK) == 0)
		return store;
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		if (X509_STORE_load_file(store, files[i]) == 1)
			break;
	return store;
}

/* Reading them takes 20 ms of CPU, so all links share what was read within the hour. */
static void trust_system(SSL_CTX *context)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static X509_STORE *store; /* guarded by lock */
	static int64_t read_at;   /* guarded by lock */

	(void)pthread_mutex_lock(&lock);
	if (!store || clock_mono_ns() - read_at > 3600 * NS_PER_SECOND) {
		X509_STORE_free(store);
		store = read_authorities();
		read_at = clock_mono_ns();
	}
	if (store)
		SSL_CTX_set1_cert_store(context, store);
	(void)pthread_mutex_unlock(&lock);
}

static bool set_files(SSL_CTX *context, struct attempt *attempt)
{
	const struct dependency *of = attempt->of;
	const char *key = *of->key_file ? of->key_file : of->cert_file;

	if (of->tls_verify && !*of->ca_file)
		trust_system(context);
	else if (of->tls_verify && SSL_CTX_load_verify_file(context, of->ca_file) != 1)
		return attempt_fail(attempt, PROBE_INTERNAL, "caFile %s cannot be used", of->ca_file);
	if (!*of->cert_file)
		return true;
	if (SSL_CTX_use_certificate_chain_file(context, of->cert_file) != 1)
		return attempt_fail(attempt, PROBE_INTERNAL, "certFile %s cannot be used", of->cert_file);
	if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
		return attempt_fail(attempt, PROBE_INTERNAL, "keyFile %s cannot be used", key);
	return true;
}

static bool is_address(const char *host)
{
	struct in6_addr room;

	return inet_pton(AF_INET, host, &room) == 1 || inet_pton(AF_INET6, host, &room) == 1;
}

static bool set_peer(SSL *tls, const struct dependency *of)
{
	const char *host = of->at.host;

	SSL_set_verify(tls, of->tls_verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	if (!*host)
		return true;
	if (is_address(host))
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), host) == 1;
	return SSL_set1_host(tls, host) == 1 && SSL_set_tlsext_host_name(tls, host) == 1;
}

static SSL *make_tls(struct attempt *attempt)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	SSL *tls = NULL;

	if (context && SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
		set_files(context, attempt))
		tls = SSL_new(context);
	SSL_CTX_free(context); /* tls keeps its own reference */
	if (!tls || !in || !out || !set_peer(tls, attempt->of)) {
		SSL_free(tls);
		BIO_free(in);
		BIO_free(out);
		ERR_clear_error();
		(void)attempt_fail(attempt, PROBE_INTERNAL, "TLS cannot be set up");
		return NULL;
	}
	SSL_set_bio(tls, in, out); /* owns both */
	SSL_set_connect_state(tls);
	return tls;
}

/* Sends what TLS has written so far. */
static bool flush(struct tls_link *link, struct attempt *attempt)
{
	char *bytes;
	BIO *out = SSL_get_wbio(link->tls);
	long count = BIO_get_mem_data(out, &bytes);
	bool sent = count <= 0 || push(link, attempt, bytes, (size_t)count);

	(void)BIO_reset(out); /* memory only */
	return sent;
}

/* One answer of the network for TLS to read: > 0, 0 end of file, -1 after it has failed. */
static long feed(struct tls_link *link, struct attempt *attempt)
{
	char bytes[16384];
	long got = pull(link, attempt, bytes, sizeof(bytes));

	if (got > 0 && BIO_write(SSL_get_rbio(link->tls), bytes, (int)got) != got) {
		(void)attempt_fail(attempt, PROBE_INTERNAL, "out of memory");
		return -1;
	}
	return got;
}

bool tls_link_secure(struct tls_link *link, struct attempt *attempt)
{
	attempt_phase(attempt, PHASE_TLS);
	ERR_clear_error();
	link->tls = make_tls(attempt);
	while (link->tls) {
		int done = SSL_do_handshake(link->tls), why = SSL_get_error(link->tls, done);
		long got;

		if (done == 1)
			return flush(link, attempt);
		if (why != SSL_ERROR_WANT_READ) {
			(void)flush(link, attempt); /* the alert that says why */
			return fail_tls(attempt, link->tls, "handshake");
		}
		if (!flush(link, attempt) || (got = feed(link, attempt)) < 0)
			return false;
		if (got == 0)
			return fail_tls(attempt, NULL, "handshake");
	}
	return false;
}

bool tls_link_send(struct tls_link *link, struct attempt *attempt, const void *bytes, size_t count)
{
	if (!link->tls)
		return push(link, attempt, bytes, count);
	ERR_clear_error();
	if (count && SSL_write(link->tls, bytes, (int)count) <= 0) /* memory takes all at once */
		return fail_tls(attempt, link->tls, "sending");
	return flush(link, attempt);
}

static long receive_tls(struct tls_link *link, struct attempt *attempt, void *bytes, size_t room)
{
	for (;;) {
		int got, why;
		long fed;

		ERR_clear_error();
		got = SSL_read(link->tls, bytes, (int)room);
		if (got > 0)
			return got;
		why = SSL_get_error(link->tls, got);
		if (why == SSL_ERROR_ZERO_RETURN)
			return 0;
		if (why != SSL_ERROR_WANT_READ)
			return fail_tls(attempt, link->tls, "receiving") ? 0 : -1;
		if (!flush(link, attempt) || (fed = feed(link, attempt)) < 0)
			return -1;
		if (fed == 0)
			return 0;
	}
}

long tls_link_receive(struct tls_link *link, struct attempt *attempt, void *bytes, size_t room)
{
	return link->tls ? receive_tls(link, attempt, bytes, room) : pull(link, attempt, bytes, room);
}

bool tls_link_pending(const struct tls_link *link)
{
	return link->tls && (SSL_pending(link->tls) > 0 || BIO_pending(SSL_get_rbio(link->tls)) > 0);
}
