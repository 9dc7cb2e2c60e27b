/* SPDX-License-Identifier: Apache-2.0 */
/* build: pkg=libcurl pkg=jansson */
/* A connection that http keeps is closed later than the attempt that made it ended: nothing of that one is touched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "probe/kind_http.c" /* a module's, in none of the rooms */
#include "probe/kind_http_answer.c"
#include "probe/kind_http_follow.c"
#include "probe/curl_link.c"

#include <arpa/inet.h>
#include <pthread.h>

#include "base/clock.h"

static struct dependency page; /* too large for a stack */
static int listener;
static void *kind;

/* Answers as often as it is asked, on each connection after the other. */
static void *serve(void *nothing)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
	char bytes[4096];

	for (int fd; (fd = accept(listener, NULL, NULL)) >= 0; close(fd))
		while (recv(fd, bytes, sizeof(bytes), 0) > 0)
			(void)send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL); /* or not */
	return nothing;
}

/* In an attempt that is gone afterwards, as if its memory had become another's. */
static enum probe_error ask_once(void)
{
	static struct probe_result outcome;
	static struct attempt trial;
	int64_t now = clock_mono_ns();

	attempt_begin(&trial, &page, &outcome, now, now + 20 * NS_PER_SECOND);
	probe_kind.ask(kind, &trial);
	attempt_end(&trial);
	memset(&trial, 0x5a, sizeof(trial));
	return outcome.error;
}

static void a_kept_connection_forgets_the_attempt_that_failed(void **state)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(at);
	pthread_t thread;
	char why[100];

	(void)state;
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)) | listen(listener, 8), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &length), 0);
	assert_int_equal(pthread_create(&thread, NULL, serve, NULL), 0);
	page.at.port = ntohs(at.sin_port);
	strcpy(page.at.host, "127.0.0.1");
	strcpy(page.at.path, "/");
	(void)snprintf(page.url, sizeof(page.url), "http://127.0.0.1:%u/", page.at.port);
	assert_int_equal(probe_kind.open(&page, &kind, why, sizeof(why)), 0);
	assert_int_equal(ask_once(), PROBE_OK);
	assert_true(((struct http *)kind)->link.fd >= 0);
	strcpy(page.password_file, "/nowhere/at/all"); /* being rotated: nothing is sent, the connection stays */
	assert_int_equal(ask_once(), PROBE_INTERNAL);
	assert_null(((struct http *)kind)->link.attempt);
	probe_kind.close(kind);
	(void)shutdown(listener, SHUT_RDWR);
	pthread_join(thread, NULL);
	close(listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_kept_connection_forgets_the_attempt_that_failed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
