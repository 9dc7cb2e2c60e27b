/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All of a request's answer is read under one hold: the service whose name it is cannot go in between.
 * Responses are shared by all requests until the next snapshot, where they depend on nothing else. Big ones
 * that clients are slow to take are counted: all together they stay within LOAD_BYTES.
 */
#include "serve/answer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <microhttpd.h>

#include "serve/route.h"

enum {
	BODY_BYTES = 64 * 1024 * 1024, /* bound of one answer: 65536 threads are about 20 MB */
	SMALL_BYTES = 64 * 1024,       /* never refused: every connection may have one of these */
	LOAD_BYTES = 256 * 1024 * 1024 /* bound of all bigger ones that are being sent or shared */
};

/* A finished answer. */
struct page {
	unsigned code;
	struct MHD_Response *response;
};

/* The body of a response that counts towards LOAD_BYTES. */
struct load {
	size_t bytes;
	char *data;
};

/* A request on its way through this file. */
struct visit {
	struct MHD_Connection *connection;
	const struct http_service *service;
	const struct asked *asked;
	const struct route *route; /* NULL: no such path */
	const char *name, *check;  /* of /services/NAME: `name_bytes` long, or NULL; of PATH/CHECK, or NULL */
	size_t name_bytes;
	struct snapshot *snapshot; /* while it is held; NULL: the answer says nothing of a service */
	struct standing standing;  /* of the snapshot */
};

static size_t load; /* atomic: bytes of big bodies that are not freed yet */

static void free_load(void *context)
{
	struct load *freed = context;

	__atomic_sub_fetch(&load, freed->bytes, __ATOMIC_RELAXED); /* a number on its own */
	free(freed->data);
	free(freed);
}

/* Takes `data` over only when it returns a response. */
static struct MHD_Response *new_big_response(size_t bytes, char *data)
{
	struct load *made = malloc(sizeof *made);
	struct MHD_Response *response = NULL;

	if (!made)
		return NULL;
	*made = (struct load){bytes, data};
	if (__atomic_add_fetch(&load, bytes, __ATOMIC_RELAXED) <= LOAD_BYTES)
		response = MHD_create_response_from_buffer_with_free_callback_cls(bytes, data, free_load, made);
	if (!response) {
		__atomic_sub_fetch(&load, bytes, __ATOMIC_RELAXED);
		free(made);
	}
	return response;
}

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
	response = bytes > SMALL_BYTES ? new_big_response(bytes, data)
				       : MHD_create_response_from_buffer(bytes, data, MHD_RESPMEM_MUST_FREE);
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

static void add_verdict(struct MHD_Response *response, const struct visit *visit)
{
	(void)MHD_add_response_header(
		response, "Lifesign-Verdict", verdict_text(visit->standing.verdict)); /* lost without memory */
}

void answer_destroy_rendered(void *rendered)
{
	struct page *page = rendered;

	MHD_destroy_response(page->response); /* the library keeps it for requests that are still being sent */
	free(page);
}

static struct page *render_page(const struct visit *visit, const struct request *request)
{
	struct reply reply = {.code = 500};
	struct page *page = malloc(sizeof *page);

	if (!page)
		return NULL;
	buf_start(&reply.body, BODY_BYTES);
	visit->route->render(&reply, &visit->standing, request, &visit->service->render);
	page->response = new_response(&reply.body, reply.content_type);
	page->code = reply.code;
	if (page->response) {
		add_verdict(page->response, visit);
		return page;
	}
	free(page);
	return NULL;
}

/* The page of this snapshot that all requests share; the first one makes it. NULL: no memory. */
static struct page *shared_page(const struct visit *visit, const struct request *request, void **place)
{
	void *present = __atomic_load_n(place, __ATOMIC_ACQUIRE); /* pairs with the exchange below */
	struct page *made;

	if (present)
		return present;
	made = render_page(visit, request);
	if (!made)
		return NULL;
	if (__atomic_compare_exchange_n(place, &present, made, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return made;
	answer_destroy_rendered(made); /* another listener's thread was first */
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
	request_decide_details(request, visit->asked->peer, visit->service->setup.details);
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
	if (code == 405)
		(void)MHD_add_response_header(response, "Allow", visit->route->allow); /* lost without memory */
	if (visit->snapshot)
		add_verdict(response, visit);
	if (MHD_queue_response(visit->connection, code, response) == MHD_NO)
		code = 0;
	MHD_destroy_response(response);
	return code;
}

/* Returns the code, 0 when none was queued. */
static unsigned queue_page(const struct visit *visit, const struct request *request)
{
	int index = route_shared_index(visit->route, request, visit->standing.freshness);
	struct page *page;
	unsigned code;

	if (index < 0)
		page = render_page(visit, request);
	else
		page = shared_page(visit, request, &visit->snapshot->rendered[index]);
	if (!page)
		return queue_text(visit, 500, "out of memory\n");
	code = page->code;
	if (MHD_queue_response(visit->connection, code, page->response) == MHD_NO)
		code = 0;
	if (index < 0)
		answer_destroy_rendered(page);
	return code;
}

/* Before anything was published the only name is the one that this agent was started with. */
static struct snapshot *find_nothing_yet(const struct visit *visit)
{
	struct snapshot *nothing_yet = visit->service->nothing_yet;

	if (!visit->name)
		return nothing_yet;
	if (visit->name_bytes == 0 || strlen(nothing_yet->service) != visit->name_bytes ||
		memcmp(nothing_yet->service, visit->name, visit->name_bytes) != 0)
		return NULL;
	return nothing_yet;
}

/* While snapshots are held. False: no such service. */
static bool find_standing(struct visit *visit)
{
	struct snapshot *root = snapshot_root();

	if (!root)
		visit->snapshot = find_nothing_yet(visit);
	else
		visit->snapshot = visit->name ? snapshot_find(visit->name, visit->name_bytes) : root;
	if (visit->snapshot)
		visit->standing = standing_of(visit->snapshot, visit->asked->now,
			root ? snapshot_last_beat() : 0, visit->service->setup.tick_ns);
	return visit->snapshot;
}

/* While snapshots are held. */
static unsigned answer_of_snapshot(struct visit *visit)
{
	struct request request = {.check = visit->check, .named = visit->name};

	if (visit->route && !find_standing(visit))
		visit->route = NULL;
	if (!visit->route)
		return queue_text(visit, 404, "404 page not found\n");
	if (!(visit->route->methods & request_method(visit->asked->method)))
		return queue_text(visit, 405, "405 method not allowed\n");
	read_request(&request, visit);
	if (request.suspect && (visit->route->flags & ROUTE_SUSPECT) && visit->service->setup.on_suspect)
		visit->service->setup.on_suspect();
	return queue_page(visit, &request);
}

static unsigned answer_reload(const struct visit *visit)
{
	if (!(visit->route->methods & request_method(visit->asked->method)))
		return queue_text(visit, 405, "405 method not allowed\n");
	if (!visit->service->setup.on_reload)
		return queue_text(visit, 404, "404 page not found\n");
	visit->service->setup.on_reload();
	return queue_text(visit, 202, "reload asked for\n");
}

static enum MHD_Result note_off(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
	(void)kind;
	(void)value;
	*(bool *)cls |= strcmp(name, "off") == 0;
	return MHD_YES;
}

/* "600" of ?for=600; -1 without end, -2 what is no number of seconds up to a year. */
static int64_t read_span(const struct visit *visit)
{
	const char *text = MHD_lookup_connection_value(visit->connection, MHD_GET_ARGUMENT_KIND, "for");
	size_t digits = text ? strspn(text, "0123456789") : 0;

	if (!text)
		return -1;
	return digits > 0 && digits <= 8 && !text[digits] && atol(text) > 0 && atol(text) <= 366L * 86400 ? atol(text) : -2;
}

static unsigned answer_maintenance(const struct visit *visit)
{
	bool off = false;
	int64_t span;

	if (!(visit->route->methods & request_method(visit->asked->method)))
		return queue_text(visit, 405, "405 method not allowed\n");
	if (!visit->service->setup.on_maintenance)
		return queue_text(visit, 404, "404 page not found\n");
	off = MHD_get_connection_values(visit->connection, MHD_GET_ARGUMENT_KIND, note_off, &off) >= 0 && off;
	span = off ? 0 : read_span(visit);
	if (span < -1)
		return queue_text(visit, 400, "for: seconds from 1 to a year\n");
	visit->service->setup.on_maintenance(span);
	return queue_text(visit, 202, "maintenance asked for\n");
}

/* RFC 9112, 3.2.2: a server takes the absolute form of a request, too. */
static const char *path_of(const char *url)
{
	static const char scheme[] = "http://";
	const char *path;

	if (strncasecmp(url, scheme, sizeof scheme - 1) != 0)
		return url;
	path = strchr(url + sizeof scheme - 1, '/');
	return path ? path : "/";
}

/* The route of a path with or without /services/NAME before it. */
static void find_route(struct visit *visit)
{
	const char *path = route_strip_service(path_of(visit->asked->url), &visit->name, &visit->name_bytes);

	visit->route = route_find(path, visit->asked->peer, &visit->check);
	if (visit->name && visit->route && (visit->route->flags & ROUTE_AGENT))
		visit->route = NULL;
	if (visit->route && (visit->route->flags & ROUTE_LOCAL) && visit->asked->peer == PEER_REMOTE && !visit->service->setup.details)
		visit->route = NULL;
}

unsigned answer_request(
	struct MHD_Connection *connection, const struct http_service *service, const struct asked *asked)
{
	struct visit visit = {.connection = connection, .service = service, .asked = asked};
	unsigned code;

	find_route(&visit);
	if (visit.route && (visit.route->flags & ROUTE_RELOAD)) {
		code = answer_reload(&visit);
	} else if (visit.route && (visit.route->flags & ROUTE_MAINTENANCE)) {
		code = answer_maintenance(&visit);
	} else {
		snapshot_reader_enter();
		snapshot_hold();
		code = answer_of_snapshot(&visit);
		snapshot_release();
	}
	route_count(service->render.request_counters, visit.route, code);
	return code;
}
