/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long from exec to the first 200:  first_answer PORT PATH COMMAND [ARG...]
 * Spins over connect() to 127.0.0.1:PORT, asks for PATH, prints the microseconds as one JSON object and
 * ends COMMAND with SIGTERM.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const long long LIMIT_NS = 10000000000LL;

static long long now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* this clock always exists */
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static bool is_answered(int port, const char *path)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval limit = {.tv_sec = 2};
	char text[1024];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ssize_t got = -1;

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)); /* without it a hang is seen later */
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
		int length = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);

		if (send(fd, text, (size_t)length, MSG_NOSIGNAL) == length)
			got = recv(fd, text, sizeof(text), 0);
	}
	(void)close(fd); /* nothing is lost */
	return got > 12 && strncmp(text + 8, " 200", 4) == 0;
}

int main(int argc, char **argv)
{
	long long start, took;
	bool answered = false;
	pid_t pid;

	if (argc < 4)
		return 64;
	start = now_ns();
	pid = fork();
	if (pid == 0) {
		execvp(argv[3], argv + 3);
		_exit(127);
	}
	while (!answered && now_ns() - start < LIMIT_NS)
		answered = is_answered(atoi(argv[1]), argv[2]);
	took = now_ns() - start;
	(void)kill(pid, SIGTERM); /* may have ended by itself */
	(void)waitpid(pid, NULL, 0);
	printf("{\"answered\": %s, \"us\": %.1f}\n", answered ? "true" : "false", (double)took / 1000);
	return answered ? 0 : 1;
}
