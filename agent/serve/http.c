/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libmicrohttpd and nothing else: listeners, connections, turning a rendered body into a response. One epoll
 * thread for each listener, no pool (on one CPU a pool makes the slowest answers 80 times slower).
 *
 * A response is queued when the library calls for the second time: queued on the first call, it would end
 * keep-alive. Responses are shared by all requests until the next snapshot, where they depend on nothing else.
 */
#include "serve/http.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <microhttpd.h>

#include "base/clock.h"
#include "base/log.h"
#include "serve/route.h"

enum {
	CONNECTION_BYTES = 16 * 1024,  /* for both heads; the library clears them for each request */
	UPLOAD_BYTES = 64 * 1024,      /* read and thrown away before a request with a body is answered */
	BODY_BYTES = 64 * 1024 * 1024, /* bound of one answer: 65536 threads are about 20 MB */
	LOG_BYTES = 4096               /* a longer line is left out */
};

/* A finished answer. */
struct page {
	unsigned code;
	struct MHD_Response *response;
};

/* A request on its way through this file. */
struct visit {
	struct MHD_Connection *connection;
	const struct http_service *service;
	const struct route *route; /* NULL: no such path */
	const char *method, *check;
	enum peer_kind peer;
	int64_t now; /* CLOCK_BOOTTIME ns */
};

static struct MHD_Response *new_response(struct buf *body, const char *content_type)
{
	static const struct {
		const char *name, *value;
	} headers[] = {{"Cache-Control", "no-store"}, {"X-Content-Type-Options", "nosniff"}};
	struct MHD_Response *response;
	size_t bytes = 0;
	char *data = buf_take(body, &bytes);

	if (!data)
		return NULL;
	response = MHD_create_response_from_buffer(bytes, data, MHD_RESPMEM_MUST_FREE);
	if (!response) {
		free(data);
		return NULL;
	}
	for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
		(void)MHD_add_response_header(
			response, headers[i].name, headers[i].value); /* lost without memory */
	(void)MHD_add_response_header(response, "Content-Type", content_type);
	return response;
}

void http_destroy_rendered(void *rendered)
{
	struct page *page = rendered;

	MHD_destroy_response(page->response); /* the library keeps it for requests that are still being sent */
	free(page);
}

static struct page *render_page(
	const struct visit *visit, const struct standing *standing, const struct request *request)
{
	struct reply reply = {.code = 500};
	struct page *page = malloc(sizeof *page);

	if (!page)
		return NULL;
	buf_start(&reply.body, BODY_BYTES);
	visit->route->render(&reply, standing, request, &visit->service->render);
	page->response = new_response(&reply.body, reply.content_type);
	page->code = reply.code;
	if (page->response) {
		(void)MHD_add_response_header(
			page->response, "Lifesign-Verdict", verdict_text(standing->verdict));
		return page;
	}
	free(page);
	return NULL;
}

/* The page of this snapshot that all requests share; the first one makes it. NULL: no memory. */
static struct page *shared_page(
	const struct visit *visit, const struct standing *standing, const struct request *request, void **place)
{
	void *present = __atomic_load_n(place, __ATOMIC_ACQUIRE); /* pairs with the exchange below */
	struct page *made;

	if (present)
		return present;
	made = render_page(visit, standing, request);
	if (!made)
		return NULL;
	if (__atomic_compare_exchange_n(place, &present, made, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return made;
	http_destroy_rendered(made); /* another listener's thread was first */
	return present;
}

static enum MHD_Result add_parameter(
	void *request, enum MHD_ValueKind kind, const char *name, const char *value)
{
	(void)kind; /* only parameters are asked for */
	request_add_parameter(request, name, value);
	return MHD_YES;
}

static enum MHD_Result add_header(void *request, enum MHD_ValueKind kind, const char *name, const char *value)
{
	(void)kind; /* only headers are asked for */
	request_add_header(request, name, value);
	return MHD_YES;
}

static void read_request(struct request *request, const struct visit *visit)
{
	(void)MHD_get_connection_values(
		visit->connection, MHD_GET_ARGUMENT_KIND, add_parameter, request); /* a count */
	if (!(visit->route->flags & ROUTE_HEADERS))
		return;
	(void)MHD_get_connection_values(visit->connection, MHD_HEADER_KIND, add_header, request); /* a count */
	request_decide_details(request, visit->peer, visit->service->setup.details);
}

/* While the snapshot is held; NULL: none was published yet. */
static struct standing stand(const struct visit *visit, const struct snapshot *snapshot)
{
	int64_t beat = snapshot ? snapshot_last_beat() : 0;

	if (!snapshot)
		snapshot = visit->service->nothing_yet;
	return standing_of(snapshot, visit->now, beat, visit->service->setup.tick_ns);
}

static void add_headers_of_route(struct MHD_Response *response, const struct visit *visit, unsigned code)
{
	enum verdict verdict;

	if (code == 405)
		(void)MHD_add_response_header(response, "Allow", visit->route->allow); /* lost without memory */
	if (!visit->route || !visit->route->render)
		return;
	snapshot_reader_enter();
	snapshot_hold();
	verdict = stand(visit, snapshot_root()).verdict;
	snapshot_release();
	(void)MHD_add_response_header(
		response, "Lifesign-Verdict", verdict_text(verdict)); /* lost without memory */
}

/* An answer that is no endpoint's own. Returns the code, 0 when none was queued. */
static unsigned queue_text(const struct visit *visit, unsigned code, const char *text)
{
	struct MHD_Response *response;
	struct buf body;

	buf_start(&body, BODY_BYTES);
	buf_text(&body, text);
	response = new_response(&body, "text/plain; charset=utf-8");
	if (!response)
		return 0;
	add_headers_of_route(response, visit, code);
	if (MHD_queue_response(visit->connection, code, response) == MHD_NO)
		code = 0;
	MHD_destroy_response(response);
	return code;
}

/* While the snapshot is held. Returns the code, 0 when none was queued. */
static unsigned queue_page(const struct visit *visit, const struct request *request, struct snapshot *snapshot)
{
	struct snapshot *seen = snapshot ? snapshot : visit->service->nothing_yet;
	struct standing standing = stand(visit, snapshot);
	int index = route_shared_index(visit->route, request, standing.freshness);
	struct page *page;
	unsigned code;

	if (index < 0)
		page = render_page(visit, &standing, request);
	else
		page = shared_page(visit, &standing, request, &seen->rendered[index]);
	if (!page)
		return queue_text(visit, 500, "out of memory\n");
	code = page->code;
	if (MHD_queue_response(visit->connection, code, page->response) == MHD_NO)
		code = 0;
	if (index < 0)
		http_destroy_rendered(page);
	return code;
}

static unsigned answer(const struct visit *visit)
{
	struct request request = {.check = visit->check};
	unsigned code;

	if (!visit->route)
		return queue_text(visit, 404, "404 page not found\n");
	if (!(visit->route->methods & request_method(visit->method)))
		return queue_text(visit, 405, "405 method not allowed\n");
	if (visit->route->flags & ROUTE_RELOAD) {
		if (!visit->service->setup.on_reload)
			return queue_text(visit, 404, "404 page not found\n");
		visit->service->setup.on_reload();
		return queue_text(visit, 202, "reload asked for\n");
	}
	read_request(&request, visit);
	snapshot_reader_enter();
	snapshot_hold();
	code = queue_page(visit, &request, snapshot_root());
	snapshot_release();
	return code;
}

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

static bool is_served(const struct visit *visit, const char *name, size_t length)
{
	const struct snapshot *snapshot;
	bool same;

	snapshot_reader_enter();
	snapshot_hold();
	snapshot = snapshot_root();
	if (!snapshot)
		snapshot = visit->service->nothing_yet;
	same = length > 0 && strnlen(snapshot->service, sizeof snapshot->service) == length &&
	       memcmp(snapshot->service, name, length) == 0;
	snapshot_release();
	return same;
}

/* The route of a path with or without /services/NAME before it. */
static void find_route(struct visit *visit, const char *url)
{
	const char *name;
	size_t length;

	visit->route = route_find(route_strip_service(url, &name, &length), visit->peer, &visit->check);
	if (!name || !visit->route)
		return;
	if ((visit->route->flags & ROUTE_AGENT) || !is_served(visit, name, length))
		visit->route = NULL;
}

static enum MHD_Result respond(const struct http_listener *listener, struct MHD_Connection *connection,
	struct guest *guest, const char *url, const char *method)
{
	struct visit visit = {
		.connection = connection,
		.service = listener->service,
		.method = method,
		.peer = peer_of(listener, guest),
		.now = clock_boot_ns(),
	};
	unsigned code;

	if (guest)
		guard_touch(guest, visit.now);
	find_route(&visit, url);
	code = answer(&visit);
	route_count(visit.service->render.request_counters, visit.route, code);
	if (visit.service->setup.log_requests)
		log_request(method, url, code);
	return code ? MHD_YES : MHD_NO;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_bytes, void **state)
{
	static char head_was_read; /* its address says so */
	struct guest *guest;

	(void)version; /* the library speaks the right one */
	(void)upload;  /* no request has a body that matters */
	if (!*state) {
		*state = &head_was_read;
		return MHD_YES;
	}
	guest = guest_of(connection);
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
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, listener, MHD_OPTION_END);
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
