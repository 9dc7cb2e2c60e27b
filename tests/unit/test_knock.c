/* SPDX-License-Identifier: Apache-2.0 */
/* A knock is accepted by whoever accepts, and by nobody else. Real listeners of each family. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "watch/knock.h"

static int64_t now;

static void look(struct knock *knock)
{
	now += NS_PER_SECOND / 2;
	knock_look(knock, netns_get(0, 0, 0, now), now);
}

static void knocks_at(int listener, const char *format, uint16_t port)
{
	struct diag_listener shown = {.port = port};
	struct knock knock;
	int taken;

	(void)snprintf(shown.address, sizeof(shown.address), format, port);
	now = now ? now + NS_PER_SECOND : clock_boot_ns();
	knock_init(&knock);
	knock_begin(&knock, &shown, 0, now);
	assert_int_equal(knock.state, KNOCK_WAITING);
	for (int i = 0; i < 4; i++)
		look(&knock);
	assert_int_equal(knock.state, KNOCK_WAITING); /* in the queue, where the kernel put it */
	taken = accept(listener, NULL, NULL);
	assert_true(taken >= 0);
	look(&knock);
	assert_int_equal(knock.state, KNOCK_ACCEPTED);
	assert_int_equal(knock.fd, -1);
	close(taken);
	knock_end(&knock);
}

static void tcp(int family, const char *format)
{
	struct sockaddr_in6 any6 = {.sin6_family = AF_INET6};
	struct sockaddr_in any4 = {.sin_family = AF_INET};
	struct sockaddr *any = family == AF_INET6 ? (struct sockaddr *)&any6 : (struct sockaddr *)&any4;
	socklen_t bytes = family == AF_INET6 ? sizeof(any6) : sizeof(any4);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, any, bytes), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, any, &bytes), 0);
	knocks_at(fd, format, ntohs(family == AF_INET6 ? any6.sin6_port : any4.sin_port));
	close(fd);
}

static void tcp4_at_any_address(void **state)
{
	(void)state;
	tcp(AF_INET, "0.0.0.0:%u");
}

static void tcp6_at_any_address(void **state)
{
	(void)state;
	tcp(AF_INET6, "[::]:%u");
}

static void unix_by_abstract_name(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), length;

	(void)state;
	length = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "lifesign-knock-%d", getpid());
	assert_int_equal(bind(fd, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1) + (socklen_t)length), 0);
	assert_int_equal(listen(fd, 8), 0);
	{
		char shown[SOCK_DIAG_ADDRESS];

		(void)snprintf(shown, sizeof(shown), "unix:@lifesign-knock-%d", getpid());
		knocks_at(fd, shown, 0);
	}
	close(fd);
}

static void what_cannot_be_reached_proves_nothing(void **state)
{
	struct diag_listener gone = {.port = 1, .address = "127.0.0.1:1"}, odd = {.address = "?:0"};
	struct knock knock;

	(void)state;
	now = now ? now + NS_PER_SECOND : clock_boot_ns();
	knock_init(&knock);
	knock_begin(&knock, &odd, 0, now);
	assert_int_equal(knock.state, KNOCK_IMPOSSIBLE);
	knock_end(&knock);
	knock_begin(&knock, &gone, 77, now); /* another network */
	assert_int_equal(knock.state, KNOCK_IMPOSSIBLE);
	knock_end(&knock);
	knock_begin(&knock, &gone, 0, now);
	for (int i = 0; i < 4; i++)
		look(&knock);
	assert_int_equal(knock.state, KNOCK_IMPOSSIBLE);
	knock_end(&knock);
	assert_int_equal(knock.state, KNOCK_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcp4_at_any_address),
		cmocka_unit_test(tcp6_at_any_address),
		cmocka_unit_test(unix_by_abstract_name),
		cmocka_unit_test(what_cannot_be_reached_proves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
