/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client that stays connected, so that a server's processes and threads outlive each measurement:
 *   load PORT CONNECTIONS HELLO HELLO-END REQUEST REQUEST-END
 * The last four are hex. Each connection sends HELLO once, reads until an answer ends with HELLO-END, and says
 * "ready". Then each line "N" of stdin is N requests in all, one at a time on each connection, timed.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 64, ANSWER_BYTES = 65536, PATIENCE_MS = 20000 };

struct bytes {
	unsigned char data[1024];
	size_t size;
};

static struct bytes hello, hello_end, request, request_end;
static struct pollfd links[CONNECTIONS_MAX];
static struct bytes tails[CONNECTIONS_MAX]; /* the last bytes of the answer that is coming, as many as its end has */
static unsigned link_count;

static void need(bool done, const char *what)
{
	if (done)
		return;
	perror(what);
	exit(1);
}

static void parse_hex(struct bytes *out, const char *text)
{
	size_t size = strlen(text) / 2;

	need(size <= sizeof(out->data), "too long");
	for (size_t i = 0; i < size; i++) {
		unsigned byte;

		need(sscanf(text + 2 * i, "%2x", &byte) == 1, "hex");
		out->data[i] = (unsigned char)byte;
	}
	out->size = size;
}

static int connect_to(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;

	need(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0, "connect");
	need(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)) == 0, "TCP_NODELAY");
	return fd;
}

static void say(unsigned i, const struct bytes *what)
{
	tails[i].size = 0;
	need(send(links[i].fd, what->data, what->size, MSG_NOSIGNAL) == (ssize_t)what->size, "send");
}

/* Keeps the last `room` bytes of what was kept and of what has come. */
static void keep_last(struct bytes *tail, const unsigned char *data, size_t size, size_t room)
{
	size_t fresh = size < room ? size : room;
	size_t old = tail->size < room - fresh ? tail->size : room - fresh;

	memmove(tail->data, tail->data + tail->size - old, old);
	memcpy(tail->data + old, data + size - fresh, fresh);
	tail->size = old + fresh;
}

/* Reads what there is: has the answer ended? */
static bool hear(unsigned i, const struct bytes *end)
{
	static unsigned char data[ANSWER_BYTES];
	ssize_t got = recv(links[i].fd, data, sizeof(data), 0);

	need(got > 0, "recv");
	keep_last(&tails[i], data, (size_t)got, end->size);
	return tails[i].size == end->size && memcmp(tails[i].data, end->data, end->size) == 0;
}

static void run(const struct bytes *what, const struct bytes *end, unsigned long count)
{
	unsigned long begun = 0, done = 0;

	for (unsigned i = 0; i < link_count && begun < count; i++, begun++)
		say(i, what);
	while (done < count) {
		need(poll(links, link_count, PATIENCE_MS) > 0, "no answer");
		for (unsigned i = 0; i < link_count; i++) {
			if (!links[i].revents || !hear(i, end))
				continue;
			done++;
			if (begun < count) {
				begun++;
				say(i, what);
			}
		}
	}
}

static long long now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* this clock always exists */
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

int main(int argc, char **argv)
{
	char line[32];

	if (argc != 7)
		return 64;
	link_count = (unsigned)atoi(argv[2]);
	need(link_count > 0 && link_count <= CONNECTIONS_MAX, "CONNECTIONS");
	parse_hex(&hello, argv[3]);
	parse_hex(&hello_end, argv[4]);
	parse_hex(&request, argv[5]);
	parse_hex(&request_end, argv[6]);
	for (unsigned i = 0; i < link_count; i++)
		links[i] = (struct pollfd){.fd = connect_to(atoi(argv[1])), .events = POLLIN};
	if (hello.size)
		run(&hello, &hello_end, link_count);
	puts("ready");
	(void)fflush(stdout); /* whoever reads it notices */
	while (fgets(line, sizeof(line), stdin)) {
		long long start = now_ns();

		run(&request, &request_end, strtoul(line, NULL, 10));
		printf("%lld\n", now_ns() - start);
		(void)fflush(stdout); /* the same */
	}
	return 0;
}
