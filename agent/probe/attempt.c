/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/attempt.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

static char service[64]; /* immutable after attempt_name_service */

void attempt_name_service(const char *name)
{
	(void)snprintf(service, sizeof(service), "%s", name); /* cut when long */
}

const char *attempt_service(void)
{
	return service;
}

/* Too early by as long as the thread does not run between the two readings: never too late. */
static int64_t boot_of(int64_t mono)
{
	return mono + clock_boot_ns() - clock_mono_ns();
}

void attempt_begin(struct attempt *attempt, const struct dependency *of, struct probe_result *result, int64_t began,
	int64_t deadline)
{
	memset(attempt, 0, sizeof(*attempt));
	attempt->of = of;
	attempt->began = began;
	attempt->deadline = deadline;
	attempt->result = result;
	attempt->phase = PHASES; /* none was told yet */
	attempt->phase_began = began;
	attempt->held = -1;
	(void)pthread_mutex_init(&attempt->note, NULL); /* cannot fail on Linux */
	memset(result, 0, sizeof(*result));
	result->version = PROBE_WIRE_VERSION;
	result->began = boot_of(began);
	result->status = PROBE_UP;
}

static void add_phase_time(struct attempt *attempt, int64_t now)
{
	int64_t *total = &attempt->result->phase_ns[attempt->phase < PHASES ? attempt->phase : PHASE_ASK];

	if (attempt->phase < PHASES)
		*total += now > attempt->phase_began ? now - attempt->phase_began : 1;
	attempt->phase_began = now;
}

void attempt_end(struct attempt *attempt)
{
	int64_t now = clock_mono_ns();

	if (attempt->phase == PHASES) { /* a kind that has one phase */
		attempt->phase = PHASE_ASK;
		attempt->phase_began = attempt->began;
	}
	add_phase_time(attempt, now);
	attempt->result->ended = boot_of(now);
	if (attempt->result->ended < attempt->result->began + now - attempt->began)
		attempt->result->ended = attempt->result->began + now - attempt->began;
	attempt->held = -1;
	(void)pthread_mutex_destroy(&attempt->note); /* nobody else knows of it any more */
}

static enum probe_error overdue_error(enum probe_phase phase)
{
	if (phase == PHASE_RESOLVE)
		return PROBE_DNS_TIMEOUT;
	return phase == PHASE_CONNECT ? PROBE_CONNECT_TIMEOUT : PROBE_TIMEOUT;
}

static void describe_overdue(const struct attempt *attempt, enum probe_phase phase, char *out, size_t bytes)
{
	static const char *const doing[PHASES + 1] = {"looking the name up", "connecting", "the TLS handshake",
		"authentication", "waiting for the answer", "waiting for the answer"};
	double seconds = (double)(attempt->deadline - attempt->began) / (double)NS_PER_SECOND;

	(void)snprintf(out, bytes, "%s took longer than %g s", doing[phase], seconds); /* short */
}

void attempt_overdue(struct attempt *attempt, struct probe_result *out)
{
	enum probe_phase phase = attempt->phase;

	memset(out, 0, sizeof(*out));
	out->version = PROBE_WIRE_VERSION;
	out->began = boot_of(attempt->began);
	out->ended = clock_boot_ns();
	out->status = PROBE_DOWN;
	out->error = overdue_error(phase);
	describe_overdue(attempt, phase, out->detail, sizeof(out->detail));
	out->phase_ns[phase < PHASES ? phase : PHASE_ASK] = out->ended - out->began;
	(void)pthread_mutex_lock(&attempt->note);
	memcpy(out->address, attempt->result->address, sizeof(out->address));
	(void)pthread_mutex_unlock(&attempt->note);
}

void attempt_phase(struct attempt *attempt, enum probe_phase phase)
{
	if (attempt_failed(attempt))
		return; /* a kind goes through its steps: what comes after is not begun */
	add_phase_time(attempt, clock_mono_ns());
	attempt->phase = phase;
}

bool attempt_failed(const struct attempt *attempt)
{
	return attempt->result->status == PROBE_DOWN;
}

static void tell(struct attempt *attempt, enum probe_status status, enum probe_error error, const char *detail,
	va_list arguments)
{
	struct probe_result *result = attempt->result;

	result->status = status;
	result->error = error;
	(void)vsnprintf(result->detail, sizeof(result->detail), detail ? detail : "", arguments); /* cut when long */
	text_sanitize(result->detail);
}

bool attempt_fail(struct attempt *attempt, enum probe_error error, const char *detail, ...)
{
	va_list arguments;

	if (attempt_failed(attempt))
		return false;
	va_start(arguments, detail);
	tell(attempt, PROBE_DOWN, error, detail, arguments);
	va_end(arguments);
	return false;
}

void attempt_degrade(struct attempt *attempt, enum probe_error error, const char *detail, ...)
{
	va_list arguments;

	if (attempt->result->status != PROBE_UP)
		return;
	va_start(arguments, detail);
	tell(attempt, PROBE_DEGRADED, error, detail, arguments);
	va_end(arguments);
}

void attempt_value(struct attempt *attempt, double value)
{
	attempt->result->value = value;
	attempt->result->has_value = 1;
}

int attempt_left_ms(const struct attempt *attempt)
{
	int64_t left = attempt->deadline - clock_mono_ns();

	return left > 0 ? (int)((left + NS_PER_MS - 1) / NS_PER_MS) : 0;
}

bool attempt_hung_up(int fd)
{
	struct pollfd now = {.fd = fd, .events = POLLRDHUP};

	return fd >= 0 && poll(&now, 1, 0) > 0 && (now.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL));
}

/* Under the lock: once a kind has let go of a descriptor nobody shuts down whoever gets its number next. */
void attempt_hold(struct attempt *attempt, int fd)
{
	(void)pthread_mutex_lock(&attempt->note);
	attempt->held = fd;
	(void)pthread_mutex_unlock(&attempt->note);
}

/* 1 ready, 0 the time is over, -errno. */
static int wait_until(int fd, short events, int64_t until)
{
	struct pollfd wait = {.fd = fd, .events = events};

	for (;;) {
		int64_t left = until - clock_mono_ns();
		int ready;

		if (left <= 0)
			return 0;
		ready = poll(&wait, 1, (int)((left + NS_PER_MS - 1) / NS_PER_MS));
		if (ready < 0 && errno != EINTR)
			return -errno;
		if (ready > 0)
			return wait.revents & POLLNVAL ? -EBADF : 1;
	}
}

static bool fail_overdue(struct attempt *attempt)
{
	enum probe_phase phase = attempt->phase;
	char text[PROBE_DETAIL];

	describe_overdue(attempt, phase, text, sizeof(text));
	return attempt_fail(attempt, overdue_error(phase), "%s", text);
}

bool attempt_wait(struct attempt *attempt, int fd, short events)
{
	int ready = wait_until(fd, events, attempt->deadline);

	if (ready < 0)
		return attempt_fail(attempt, PROBE_INTERNAL, "poll: %s", strerror(-ready));
	return ready ? true : fail_overdue(attempt);
}

void attempt_note_address(struct attempt *attempt, const struct sockaddr *address, socklen_t length)
{
	const struct sockaddr_in *v4 = (const void *)address;
	const struct sockaddr_in6 *v6 = (const void *)address;
	const struct sockaddr_un *local = (const void *)address;
	char number[INET6_ADDRSTRLEN] = "", text[PROBE_ADDRESS] = "";

	if (address->sa_family == AF_INET && length >= sizeof(*v4)) {
		(void)inet_ntop(AF_INET, &v4->sin_addr, number, sizeof(number)); /* room for any */
		(void)snprintf(text, sizeof(text), "%s:%u", number, ntohs(v4->sin_port));
	} else if (address->sa_family == AF_INET6 && length >= sizeof(*v6)) {
		(void)inet_ntop(AF_INET6, &v6->sin6_addr, number, sizeof(number));
		(void)snprintf(text, sizeof(text), "[%s]:%u", number, ntohs(v6->sin6_port));
	} else if (address->sa_family == AF_UNIX) {
		(void)snprintf(text, sizeof(text), "unix:%.*s", (int)sizeof(text) - 6, local->sun_path); /* cut */
	}
	(void)pthread_mutex_lock(&attempt->note);
	memcpy(attempt->result->address, text, sizeof(text));
	(void)pthread_mutex_unlock(&attempt->note);
}

bool attempt_fail_errno(struct attempt *attempt, int error, const char *doing)
{
	static const struct {
		int number;
		enum probe_error error;
	} rows[] = {{ECONNREFUSED, PROBE_REFUSED}, {ENOENT, PROBE_REFUSED}, {ENETUNREACH, PROBE_UNREACHABLE},
		{EHOSTUNREACH, PROBE_UNREACHABLE}, {ENETDOWN, PROBE_UNREACHABLE}, {EHOSTDOWN, PROBE_UNREACHABLE},
		{EADDRNOTAVAIL, PROBE_UNREACHABLE}, {EAFNOSUPPORT, PROBE_UNREACHABLE}, {EACCES, PROBE_INTERNAL},
		{EPERM, PROBE_INTERNAL}, {EMFILE, PROBE_INTERNAL}, {ENFILE, PROBE_INTERNAL}, {ENOMEM, PROBE_INTERNAL},
		{ENOBUFS, PROBE_INTERNAL}, {EBADF, PROBE_INTERNAL}};
	enum probe_error found = PROBE_PROTOCOL_ERROR;

	if (error == ETIMEDOUT || error == EAGAIN || error == EINPROGRESS)
		found = attempt->phase == PHASE_CONNECT ? PROBE_CONNECT_TIMEOUT : PROBE_TIMEOUT;
	else if (attempt->phase == PHASE_CONNECT && error == ECONNRESET)
		found = PROBE_REFUSED;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (rows[i].number == error)
			found = rows[i].error;
	return attempt_fail(attempt, found, "%s: %s", doing, strerror(error));
}

bool attempt_send(struct attempt *attempt, int fd, const void *bytes, size_t count)
{
	while (count) {
		ssize_t sent = send(fd, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && errno == EAGAIN && !attempt_wait(attempt, fd, POLLOUT))
			return false;
		if (sent < 0 && errno != EAGAIN && errno != EINTR)
			return attempt_fail_errno(attempt, errno, "sending");
		if (sent > 0) {
			bytes = (const char *)bytes + sent;
			count -= (size_t)sent;
		}
	}
	return true;
}

long attempt_receive(struct attempt *attempt, int fd, void *bytes, size_t room)
{
	for (;;) {
		ssize_t got;

		if (!attempt_wait(attempt, fd, POLLIN))
			return -1;
		got = recv(fd, bytes, room, MSG_DONTWAIT);
		if (got >= 0)
			return got;
		if (errno != EAGAIN && errno != EINTR) {
			(void)attempt_fail_errno(attempt, errno, "receiving");
			return -1;
		}
	}
}

bool attempt_password(struct attempt *attempt, char *out, size_t bytes)
{
	const char *file = attempt->of->password_file;
	int fd, error;
	ssize_t got;

	if (!*file) {
		(void)snprintf(out, bytes, "%s", attempt->of->at.password);
		return true;
	}
	fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	got = fd < 0 ? -1 : read(fd, out, bytes - 1);
	error = errno;
	if (fd >= 0)
		close(fd);
	if (got < 0)
		return attempt_fail(attempt, PROBE_INTERNAL, "passwordFile %s: %s", file, strerror(error));
	if ((size_t)got == bytes - 1)
		return attempt_fail(attempt, PROBE_INTERNAL, "passwordFile %s: longer than %zu bytes", file, bytes - 2);
	got -= got > 0 && out[got - 1] == '\n';
	out[got] = 0;
	return true;
}
