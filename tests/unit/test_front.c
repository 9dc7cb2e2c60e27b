/* SPDX-License-Identifier: Apache-2.0 */
/* Which sockets came in, which went out, which stay inside; and bytes that nobody reads. Real sockets. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "watch/front.h"

static struct tree tree;
static struct process_row self;
static struct listeners listeners;
static struct front front;
static int64_t now;

static void look(void)
{
	now += 2 * NS_PER_SECOND;
	listeners_refresh(&listeners, &tree, 0, now);
	front_refresh(&front, &tree, &listeners, 0, now);
}

static int set_up(void **state)
{
	(void)state;
	self = (struct process_row){.pid = getpid(), .uid = getuid(), .gid = getgid(), .readable = true};
	tree = (struct tree){.rows = &self, .count = 1, .room = 1};
	now = now ? now : clock_boot_ns(); /* never back: dumps are kept */
	self.seen_ns = now;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	front_end(&front);
	listeners_end(&listeners);
	return 0;
}

static int listen_at(uint16_t *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t bytes = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, bytes), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &bytes), 0);
	*port = ntohs(address.sin_port);
	return fd;
}

static int connect_to(uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ? fd : -1;
}

/* Another process, with none of our sockets but the ones it makes, until it is killed. */
static pid_t a_stranger(void (*run)(int argument), int argument)
{
	pid_t child = fork();

	if (child == 0) {
		for (int fd = 3; fd < 64; fd++)
			if (fd != argument)
				close(fd);
		run(argument);
		for (;;)
			(void)pause();
	}
	return child;
}

static void ends(pid_t child)
{
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
}

static void comes_and_writes(int port)
{
	int fd = connect_to((uint16_t)port);

	if (fd < 0 || write(fd, "hello", 5) != 5)
		_exit(1);
}

static void a_stranger_that_came_is_inbound_and_its_bytes_wait(void **state)
{
	uint16_t port;
	int fd = listen_at(&port), taken;
	pid_t child = a_stranger(comes_and_writes, port);
	const struct front_row *row;
	char bytes[8];
	int64_t since;

	(void)state;
	look(); /* what was there at the first look did not come since */
	taken = accept(fd, NULL, NULL);
	assert_int_equal(recv(taken, bytes, 5, MSG_PEEK | MSG_WAITALL), 5);
	look();
	row = front_find(&front, getpid(), taken);
	assert_non_null(row);
	assert_int_equal(row->way, FRONT_INBOUND);
	assert_int_equal(row->unread, 5);
	assert_int_equal(front.outbound, 0);
	since = front.unread_since;
	assert_true(since != 0 && front.accepted == since);
	look();
	assert_int_equal(front.unread_since, since); /* still the same bytes */
	assert_true(front.accepted == since);        /* nobody new */
	assert_int_equal(read(taken, bytes, 5), 5);
	look();
	assert_int_equal(front.unread_since, 0);
	ends(child);
	close(taken);
	close(fd);
}

static void listens_and_waits(int fd)
{
	(void)fd;
}

static void a_socket_to_a_stranger_is_outbound(void **state)
{
	uint16_t port;
	int fd = listen_at(&port), mine = connect_to(port);
	pid_t child = a_stranger(listens_and_waits, fd);
	const struct front_row *row;

	(void)state;
	close(fd);
	look();
	row = front_find(&front, getpid(), mine);
	assert_non_null(row);
	assert_int_equal(row->way, FRONT_OUTBOUND);
	assert_int_equal(front.outbound, 1);
	assert_memory_equal(row->remote, "127.0.0.1:", 10);
	ends(child);
	close(mine);
}

static void both_ends_in_the_service_are_internal(void **state)
{
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	look();
	assert_int_equal(front_find(&front, getpid(), pair[0])->way, FRONT_INTERNAL);
	assert_int_equal(front_find(&front, getpid(), pair[1])->way, FRONT_INTERNAL);
	assert_null(front_find(&front, getpid(), 0));
	assert_true(front.complete);
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_stranger_that_came_is_inbound_and_its_bytes_wait, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_socket_to_a_stranger_is_outbound, set_up, tear_down),
		cmocka_unit_test_setup_teardown(both_ends_in_the_service_are_internal, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
