/* SPDX-License-Identifier: Apache-2.0 */
/* build: pkg=libpq */
/* libpq closes and opens sockets as it likes: none is held for the engine, which shuts it down, while it may. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <libpq-fe.h>

#include "probe/attempt.h"

static struct dependency database; /* too large for a stack */
static struct probe_result outcome;
static struct attempt trial;
static unsigned steps, waits;

static PostgresPollingStatusType step(PGconn *connection)
{
	assert_int_equal(trial.held, -1);
	steps++;
	return PQconnectPoll(connection);
}

static bool wait_held(struct attempt *which, int fd, short events)
{
	assert_int_equal(which->held, fd);
	waits++;
	return attempt_wait(which, fd, events);
}

#define PQconnectPoll step
#define attempt_wait wait_held
#include "probe/kind_postgres.c" /* a module's, in none of the rooms */
#include "probe/kind_postgres_text.c"

#include <sys/socket.h>
#include <unistd.h>
#include "base/clock.h"

/* What the server says, to how many; each is hung up on then. */
static const char *says;
static int listener;

static void *serve(void *count)
{
	for (unsigned i = 0; i < *(unsigned *)count; i++) {
		int fd = accept(listener, NULL, NULL);
		char bytes[1024];

		if (recv(fd, bytes, sizeof(bytes), 0) > 0)
			(void)send(fd, says, strlen(says), MSG_NOSIGNAL); /* or not */
		close(fd);
	}
	return NULL;
}

static void ask(const char *mode, const char *answer, unsigned count)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(at);
	int64_t now = clock_mono_ns();
	void *kind = NULL;
	pthread_t thread;
	char why[100];

	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)) | listen(listener, 8), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &length), 0);
	says = answer;
	assert_int_equal(pthread_create(&thread, NULL, serve, &count), 0);
	strcpy(database.at.host, "127.0.0.1");
	database.at.port = ntohs(at.sin_port);
	strcpy(database.at.query, mode);
	assert_int_equal(probe_kind.open(&database, &kind, why, sizeof(why)), 0);
	attempt_begin(&trial, &database, &outcome, now, now + 20 * NS_PER_SECOND);
	probe_kind.ask(kind, &trial);
	assert_int_equal(trial.held, -1);
	attempt_end(&trial);
	probe_kind.close(kind);
	(void)shutdown(listener, SHUT_RDWR); /* whoever still waits for a connection */
	pthread_join(thread, NULL);
	close(listener);
}

static void no_socket_is_held_while_a_connection_goes_on(void **state)
{
	(void)state;
	ask("sslmode=disable", "", 1);
	assert_int_equal(outcome.status, PROBE_DOWN);
	assert_true(steps >= 1 && waits + steps >= 2);
}

/* To sslmode=prefer an error is a reason to connect anew without TLS: another socket, in the same step. */
static void nor_while_it_is_made_anew(void **state)
{
	static const char error[] = "EFATAL:  unsupported frontend protocol 1234.5679: server supports 1.0 to 3.0\n";

	(void)state;
	steps = 0;
	ask("sslmode=prefer", error, 2);
	assert_int_equal(outcome.status, PROBE_DOWN);
	assert_true(steps >= 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_socket_is_held_while_a_connection_goes_on),
		cmocka_unit_test(nor_while_it_is_made_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
