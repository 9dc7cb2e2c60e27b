/* SPDX-License-Identifier: Apache-2.0 */
/* build: pkg=libmongoc-1.0 pkg=openssl */
/* The streams that libmongoc talks through: what is held for the engine, which shuts it down when an attempt is late. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "probe/kind_mongodb_stream.c" /* a module's, in none of the rooms */
#include "probe/tls_link.c"

#include <sys/socket.h>

static struct dependency of; /* too large for a stack */
static struct probe_result result;
static struct attempt attempt;
static struct mongodb_streams set;
static mongoc_host_list_t host = {.host = "127.0.0.1", .host_and_port = "127.0.0.1:1", .family = AF_INET};
static int listener;

static int begin(void **state)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(at);
	int64_t now = clock_mono_ns();

	(void)state;
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listener, (struct sockaddr *)&at, sizeof(at)) || listen(listener, 8) ||
		getsockname(listener, (struct sockaddr *)&at, &length))
		return -1;
	host.port = ntohs(at.sin_port);
	attempt_begin(&attempt, &of, &result, now, now + 10 * NS_PER_SECOND);
	set = (struct mongodb_streams){.of = &of, .attempt = &attempt, .hosts = 2};
	return 0;
}

static int end(void **state)
{
	(void)state;
	attempt_end(&attempt);
	close(listener);
	return 0;
}

static void a_stream_that_is_ended_is_held_no_longer(void **state)
{
	bson_error_t error;
	mongoc_stream_t *stream = mongodb_stream_open(NULL, &host, &set, &error), *second;
	int fd;

	(void)state;
	assert_non_null(stream);
	fd = ((struct stream *)stream)->link.fd;
	assert_int_equal(attempt.held, fd);
	assert_string_equal(result.address, ((struct stream *)stream)->result.address);
	second = mongodb_stream_open(NULL, &host, &set, &error);
	assert_non_null(second);
	fd = ((struct stream *)second)->link.fd;
	stream->destroy(stream); /* the other one is the one that is held by now */
	assert_int_equal(attempt.held, fd);
	assert_int_equal(second->close(second), 0);
	assert_int_equal(attempt.held, -1);
	second->destroy(second);
	for (unsigned i = 0; i < MONGODB_STREAMS; i++)
		assert_null(set.kept[i]);
}

/* The next host's connection may well get its number. */
static void a_stream_without_its_handshake_is_held_no_longer(void **state)
{
	bson_error_t error;
	int other;

	(void)state;
	set.tls = true;
	attempt.deadline = clock_mono_ns() + 200 * NS_PER_MS; /* nobody answers */
	assert_null(mongodb_stream_open(NULL, &host, &set, &error));
	assert_int_equal(set.error, PROBE_TIMEOUT);
	other = accept(listener, NULL, NULL);
	assert_true(other >= 0);
	assert_int_equal(attempt.held, -1);
	close(other);
}

static void after_the_attempt_nothing_waits_and_nothing_is_held(void **state)
{
	bson_error_t error;
	mongoc_stream_t *stream = mongodb_stream_open(NULL, &host, &set, &error);
	mongoc_iovec_t part = {.iov_base = (char[4]){0}, .iov_len = 4};

	(void)state;
	assert_non_null(stream);
	attempt_hold(&attempt, -1);
	set.attempt = NULL;
	assert_int_equal(stream->readv(stream, &part, 1, 4, 10000), -1);
	assert_true(stream->timed_out(stream));
	assert_null(mongodb_stream_open(NULL, &host, &set, &error));
	stream->destroy(stream);
	assert_int_equal(attempt.held, -1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(a_stream_that_is_ended_is_held_no_longer),
		TEST(a_stream_without_its_handshake_is_held_no_longer),
		TEST(after_the_attempt_nothing_waits_and_nothing_is_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
