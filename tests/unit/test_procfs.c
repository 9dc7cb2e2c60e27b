/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "watch/procfs.h"
#include "watch/reach.h"
#include "watch/netns.h"
#include "watch/sock_diag.h"
#include "watch/waits.h"

static void a_name_may_hold_anything(void **state)
{
	char line[] = "7 (a) b (c) R 3 1 1 0 -1 4194304 1 0 0 0 5 6 0 0 20 0 9 0 1234 1 42 18446744073709551615";
	struct proc_stat stat;

	(void)state;
	assert_int_equal(proc_stat_parse(line, &stat), 0);
	assert_string_equal(stat.name, "a) b (c");
	assert_int_equal(stat.state, 'R');
	assert_int_equal(stat.parent, 3);
	assert_int_equal(stat.cpu_ticks, 11);
	assert_int_equal(stat.threads, 9);
	assert_true(stat.start_ns == 1234 * (uint64_t)(NS_PER_SECOND / sysconf(_SC_CLK_TCK)));
}

static void broken_lines_are_refused(void **state)
{
	static const char *const lines[] = {"", "7", "7 (a", "7 (a)", "7 (a) ", "7 (a) R", "7 (a) R 3 x", ") 7 (", "7 (a) R 1 2 3"};

	(void)state;
	for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char line[64];
		struct proc_stat stat;

		(void)snprintf(line, sizeof(line), "%s", lines[i]);
		assert_int_equal(proc_stat_parse(line, &stat), -EPROTO);
	}
}

static void this_process_reads_itself(void **state)
{
	struct reach_target self = {getpid(), geteuid(), getegid()};
	struct proc_stat stat;
	struct proc_ids ids;
	uint64_t value = UINT64_C(0x1122334455667788), copy = 0;
	char exe[4096];
	pid_t tids[8];

	(void)state;
	assert_int_equal(proc_process_stat(getpid(), &stat), 0);
	assert_int_equal(stat.parent, getppid());
	assert_int_equal(proc_ids_read(getpid(), &ids), 0);
	assert_int_equal(ids.uid, geteuid());
	assert_int_equal(ids.tracer, 0);
	assert_int_equal(proc_tasks(getpid(), tids, 8), stat.threads);
	assert_int_equal(reach_memory(&self, (uint64_t)(uintptr_t)&value, &copy, sizeof(copy)), sizeof(copy));
	assert_true(copy == value);
	assert_true(reach_link(&self, "exe", exe, sizeof(exe)) > 0);
	assert_int_equal(proc_process_stat(0x3fffffff, &stat), -ENOENT);
}

static int listen_here(uint16_t *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t bytes = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 7), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &bytes), 0);
	*port = ntohs(address.sin_port);
	return fd;
}

static int connect_there(uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* The accept queue of a known backlog: 3 waiting, then 2 after an accept, and the accepted one is inbound. */
static void the_accept_queue_is_counted(void **state)
{
	static struct diag_listener found[SOCK_DIAG_LISTENERS];
	uint64_t inodes[16];
	uint16_t port;
	int fd = listen_here(&port), clients[3], accepted = -1, diag = sock_diag_open(0);

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		clients[i] = connect_there(port);
	for (unsigned waiting = 3; waiting >= 2; waiting--) {
		int count = sock_diag_listeners(diag, found, SOCK_DIAG_LISTENERS);
		bool seen = false;

		for (int i = 0; i < count; i++) {
			if (found[i].port != port)
				continue;
			assert_int_equal(found[i].queue, waiting);
			assert_int_equal(found[i].backlog, 7);
			assert_memory_equal(found[i].address, "127.0.0.1:", 10);
			seen = true;
		}
		assert_true(seen);
		accepted = waiting == 3 ? accept(fd, NULL, NULL) : accepted;
	}
	assert_true(sock_diag_inbound(diag, port, inodes, 16) >= 1);
	close(diag);
	close(accepted);
	for (unsigned i = 0; i < 3; i++)
		close(clients[i]);
	close(fd);
}

static uint64_t inode_of(int fd)
{
	struct stat status;

	assert_int_equal(fstat(fd, &status), 0);
	return status.st_ino;
}

/* Both ends know each other, whoever holds them, with the bytes that nobody has read. */
static void the_two_ends_of_a_connection_are_joined(void **state)
{
	const struct diag_connection *one, *other;
	struct netns *netns = netns_get(0, 0, 0, clock_boot_ns());
	uint16_t port;
	int fd = listen_here(&port), client = connect_there(port), server = accept(fd, NULL, NULL), pair[2];
	char text[64], wanted[64];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(write(client, "12345", 5), 5);
	assert_int_equal(write(pair[0], "123", 3), 3);
	assert_non_null(netns);
	one = netns_connection(netns, inode_of(client), 0, clock_boot_ns());
	assert_non_null(one);
	assert_int_equal(one->peer, inode_of(server));
	assert_int_equal(one->remote_port, port);
	sock_diag_remote_text(one, text, sizeof(text));
	(void)snprintf(wanted, sizeof(wanted), "127.0.0.1:%u", port);
	assert_string_equal(text, wanted);
	other = netns_connection(netns, inode_of(server), INT64_MAX, clock_boot_ns());
	assert_non_null(other);
	assert_int_equal(other->peer, inode_of(client));
	assert_int_equal(other->unread, 5);
	one = netns_connection(netns, inode_of(pair[1]), INT64_MAX, clock_boot_ns());
	assert_non_null(one);
	assert_true(one->is_unix);
	assert_int_equal(one->peer, inode_of(pair[0]));
	assert_null(netns_connection(netns, inode_of(fd), INT64_MAX, clock_boot_ns()));
	close(pair[0]);
	close(pair[1]);
	close(server);
	close(client);
	close(fd);
}

static void a_futex_is_told_from_other_calls(void **state)
{
	char line[96];

	(void)state;
	(void)snprintf(line, sizeof(line), "%d 0x7f00 0x80 0x2 0x0 0x0 0x0 0x7ffc 0x7f11\n", SYS_futex);
	assert_true(waits_futex_of(line) == 0x7f00);
	assert_true(waits_futex_of("running\n") == 0);
	assert_true(waits_futex_of("-1 0x7ffc 0x7f11\n") == 0);
	assert_true(waits_futex_of("0 0x5 0x1 0x2\n") == 0);
	assert_true(waits_futex_of("") == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_may_hold_anything),
		cmocka_unit_test(broken_lines_are_refused),
		cmocka_unit_test(this_process_reads_itself),
		cmocka_unit_test(the_accept_queue_is_counted),
		cmocka_unit_test(the_two_ends_of_a_connection_are_joined),
		cmocka_unit_test(a_futex_is_told_from_other_calls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
