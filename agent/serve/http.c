/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listeners and connections. One epoll thread for each listener, no pool (on one CPU a pool makes the slowest
 * answers 80 times slower).
 *
 * A response is queued when the library calls for the second time: queued on the first call, it would end
 * keep-alive.
 */
#include "serve/http.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <microhttpd.h>

#include "base/clock.h"
#include "base/log.h"
#include "serve/answer.h"

enum {
	CONNECTION_BYTES = 16 * 1024, /* for both heads; the library clears them for each request */
	UPLOAD_BYTES = 64 * 1024,     /* read and thrown away before a request with a body is answered */
	LOG_BYTES = 4096              /* a longer line is left out */
};

static void log_request(const char *method, const char *url, unsigned code)
{
	struct buf text;

	buf_start(&text, LOG_BYTES);
	buf_printable(&text, method);
	buf_char(&text, ' ');
	buf_printable(&text, url);
	buf_format(&text, " %u", code);
	if (!text.failed)
		log_emit(&(const struct log_line){
			.level = LOG_LEVEL_INFO, .event = "request", .detail = text.data});
	buf_free(&text);
}

static struct guest *guest_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

static enum peer_kind peer_of(const struct http_listener *listener, const struct guest *guest)
{
	if (listener->is_unix)
		return PEER_UNIX;
	return guest ? guest->kind : PEER_REMOTE;
}

static enum MHD_Result respond(const struct http_listener *listener, struct MHD_Connection *connection,
	struct guest *guest, const char *url, const char *method)
{
	int64_t now = clock_boot_ns();
	unsigned code;

	if (guest)
		guard_touch(guest, now);
	code = answer_request(connection, listener->service,
		&(const struct asked){
			.url = url, .method = method, .peer = peer_of(listener, guest), .now = now});
	if (listener->service->setup.log_requests)
		log_request(method, url, code);
	return code ? MHD_YES : MHD_NO;
}

/* A body that will not be read to its end: its sender is answered before it, and the connection ends. */
static bool announces_too_much(struct MHD_Connection *connection)
{
	const char *length =
		MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

	return length && strtoull(length, NULL, 10) > UPLOAD_BYTES;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_bytes, void **state)
{
	static char head_was_read; /* its address says so */
	struct guest *guest;

	(void)version; /* the library speaks the right one */
	(void)upload;  /* no request has a body that matters */
	guest = guest_of(connection);
	if (!*state) {
		*state = &head_was_read;
		return announces_too_much(connection) ? respond(context, connection, guest, url, method) : MHD_YES;
	}
	if (*upload_bytes > 0) {
		if (!guest || (guest->uploaded += *upload_bytes) > UPLOAD_BYTES)
			return MHD_NO; /* closes the connection */
		*upload_bytes = 0;
		return MHD_YES;
	}
	return respond(context, connection, guest, url, method);
}

static void name_thread(void)
{
	static __thread bool named;

	if (!named)
		(void)pthread_setname_np(pthread_self(), "lifesign-http"); /* a name only */
	named = true;
}

static void on_connection(void *context, struct MHD_Connection *connection, void **guest,
	enum MHD_ConnectionNotificationCode event)
{
	struct http_listener *listener = context;
	const union MHD_ConnectionInfo *fd, *peer;

	name_thread();
	if (event == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (*guest)
			guard_dismiss(&listener->guard, *guest);
		*guest = NULL;
		return;
	}
	fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	peer = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	if (fd)
		*guest = guard_admit(&listener->guard, fd->connect_fd,
			listener->is_unix || !peer ? NULL : peer->client_addr, clock_boot_ns());
}

/*
 * MHD_USE_ITC wakes the thread through a descriptor of its own; without it the library would shut the
 * listening socket down at the end, for every process that shares it. No time-out of the library's: the
 * guard's rules are by what a connection asked, not by when its last byte came.
 */
/* A path ends where it ends: "/livez%00…" is another one, not a longer way to say /livez. */
static size_t decode(void *context, struct MHD_Connection *connection, char *text)
{
	(void)context;    /* none was given */
	(void)connection; /* the same for all */
	for (char *at = text; (at = strstr(at, "%00")); at++)
		at[2] = '1'; /* no name has that byte either */
	return MHD_http_unescape(text);
}

int http_open(struct http_listener *listener, const struct http_service *service,
	const struct child_listener *on, unsigned connections)
{
	int ret = guard_start(&listener->guard, connections);

	if (ret < 0)
		return ret;
	listener->service = service;
	listener->is_unix = on->kind == LISTENER_UNIX;
	errno = 0;
	listener->daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC, 0, NULL, NULL,
		on_request, listener, MHD_OPTION_LISTEN_SOCKET, on->fd, MHD_OPTION_CONNECTION_LIMIT,
		connections, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, listener, MHD_OPTION_UNESCAPE_CALLBACK, decode, NULL,
		MHD_OPTION_END);
	if (listener->daemon)
		return 0;
	ret = errno ? -errno : -EIO;
	guard_stop(&listener->guard);
	return ret;
}

void http_close(struct http_listener *listener)
{
	if (!listener->daemon)
		return;
	(void)MHD_quiesce_daemon(listener->daemon); /* hands back the descriptor that we have anyway */
	MHD_stop_daemon(listener->daemon);
	listener->daemon = NULL;
	guard_stop(&listener->guard);
}
