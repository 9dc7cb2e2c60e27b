/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the agent is: --url, then LIFESIGN_LISTEN, then the sockets in DIR. A socket that nobody listens on
 * was left behind by a killed run and is passed over. A name is first that of a socket, then that of a service
 * which an agent with many has: nobody's own socket is mistaken for one that joined elsewhere.
 */
#include "cli/client.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/config.h"
#include "cli/client_services.h"
#include "cli/resolve.h"

enum { SOCKETS = 64, PROBE_MS = 500 };

struct search {
	enum client_want want;
	const char *service, *dir; /* NULL: any; the default */
	bool named;                /* by --service, not only by a variable that other commands read, too */
	char default_dir[SETTINGS_PATH], whole_dir[PATH_MAX]; /* sockets need the whole path */
	bool listen_tried; /* LIFESIGN_LISTEN named an address that nobody answers on */
	struct client_place found[SOCKETS];
	char names[SOCKETS][SERVICE_NAME_BYTES]; /* of found[]: the socket's */
	unsigned count, forbidden;
	int64_t deadline; /* for all that is asked on the way */
};

static int64_t soon(void)
{
	return clock_mono_ns() + PROBE_MS * NS_PER_MS;
}

static int probe(const struct address *address)
{
	int fd = client_connect(address, soon());

	if (fd < 0)
		return fd;
	(void)close(fd); /* only meant to see that somebody listens */
	return 0;
}

/* An address to listen on as one to connect to: "every address" is this machine. */
static void aim(struct address *address)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&address->socket;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address->socket;
	in_port_t port = v6->sin6_port;

	if (address->any) {
		*address = (struct address){.bytes = sizeof(*v4)};
		v4->sin_family = AF_INET;
		v4->sin_port = port;
		v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	} else if (address->socket.ss_family == AF_INET && v4->sin_addr.s_addr == htonl(INADDR_ANY)) {
		v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	} else if (address->socket.ss_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr)) {
		v6->sin6_addr = in6addr_loopback;
	}
}

static int refuse_url(const char *url, const char *reason)
{
	cli_complain("--url: found '%.200s'%s, allowed: http://HOST:PORT or unix:/path", url, reason);
	return EXIT_USAGE;
}

/* http://HOST[:PORT][/] */
static int take_http(const char *url, struct client_place *out)
{
	const char *host = url + 7, *slash = strchr(host, '/');
	size_t length = slash ? (size_t)(slash - host) : strlen(host);
	bool has_port;
	char why[160];
	int result;

	if ((slash && slash[1]) || !length || length >= sizeof(out->host) - 4 || host[0] == ':' ||
		strcspn(host, "@?# \r\n\t") < length)
		return refuse_url(url, "");
	(void)snprintf(out->host, sizeof(out->host), "%.*s", (int)length, host);
	has_port = strrchr(out->host, ':') && !strchr(strrchr(out->host, ':'), ']');
	if (!has_port)
		strcat(out->host, ":80"); /* room was kept */
	(void)snprintf(out->name, sizeof(out->name), "http://%s", out->host);
	if (!address_parse(out->host, &out->address, NULL, 0)) {
		aim(&out->address);
		return 0;
	}
	result = resolve_host(out->host, &out->address, why, sizeof(why));
	if (result == -EINVAL)
		return refuse_url(url, "");
	if (result) {
		cli_complain("no agent: %s (%s)", out->name, why);
		return EXIT_NO_AGENT;
	}
	return 0;
}

static int take_url(const char *url, struct client_place *out)
{
	if (!strncmp(url, "http://", 7))
		return take_http(url, out);
	if (strncmp(url, "unix:", 5) || address_parse(url, &out->address, NULL, 0))
		return refuse_url(url, "");
	strcpy(out->host, "localhost");
	(void)snprintf(out->name, sizeof(out->name), "%s", url); /* fits: sun_path is shorter */
	return 0;
}

static void place_at(const char *text, const struct address *address, struct client_place *out)
{
	bool is_unix = address->socket.ss_family == AF_UNIX;

	out->address = *address;
	(void)snprintf(out->host, sizeof(out->host), "localhost");
	(void)snprintf(out->name, sizeof(out->name), "%s%s", is_unix ? "" : "http://",
		text); /* SETTINGS_TEXT at most */
}

/* The first of LIFESIGN_LISTEN's addresses that takes connections. 0, EXIT_CONFIG, or -1: none does. */
static int take_listen(struct search *search, const char *value, struct client_place *out)
{
	char words[SETTINGS_LISTENS * SETTINGS_TEXT], *rest = words;

	if (!value || !*value)
		return -1;
	(void)snprintf(words, sizeof(words), "%s", value); /* cut: then the last is refused */
	while (rest) {
		const char *word = strsep(&rest, ",");
		struct address address;
		char why[320];

		word += strspn(word, " ");
		if (address_parse(word, &address, why, sizeof(why))) {
			cli_complain("variable LIFESIGN_LISTEN: %s", why);
			return EXIT_CONFIG;
		}
		aim(&address);
		search->listen_tried = true;
		if (probe(&address))
			continue;
		place_at(word, &address, out);
		return 0;
	}
	return -1;
}

/* The default directory may lie in /tmp: only what I or root made counts. */
static bool is_trusted(const char *dir)
{
	struct stat status;

	return !lstat(dir, &status) && S_ISDIR(status.st_mode) &&
	       (status.st_uid == geteuid() || !status.st_uid);
}

static void look_at(struct search *search, const char *dir, const char *name, size_t name_bytes)
{
	struct client_place *place = &search->found[search->count];
	char path[SETTINGS_TEXT]; /* sun_path is shorter */
	struct address address;
	int result;

	if (search->count == SOCKETS || name_bytes >= SERVICE_NAME_BYTES)
		return;
	if (snprintf(path, sizeof(path), "unix:%s/%.*s.sock", dir, (int)name_bytes, name) >=
			(int)sizeof(path) ||
		address_parse(path, &address, NULL, 0))
		return;
	result = probe(&address);
	search->forbidden += result == -EACCES || result == -EPERM;
	if (result && result != -ETIMEDOUT) /* a full queue still is somebody's */
		return;
	place_at(path, &address, place);
	(void)snprintf(search->names[search->count++], SERVICE_NAME_BYTES, "%.*s", (int)name_bytes, name);
}

/* At the sockets in `dir`, or at that of one name. */
static void look_through(struct search *search, const char *dir, const char *only)
{
	DIR *listing = opendir(dir);
	const struct dirent *entry;

	if (!listing) {
		search->forbidden += errno == EACCES;
		return;
	}
	while ((entry = readdir(listing))) {
		size_t length = strlen(entry->d_name);

		if (length <= 5 || strcmp(entry->d_name + length - 5, ".sock"))
			continue;
		length -= 5;
		if (only && (strlen(only) != length || memcmp(only, entry->d_name, length)))
			continue;
		look_at(search, dir, entry->d_name, length);
	}
	(void)closedir(listing); /* was only read */
}

static int tell_none(const struct search *search)
{
	const char *tried = search->listen_tried ? "LIFESIGN_LISTEN and " : "";

	if (search->forbidden) {
		cli_complain("no permission for the sockets in %s: run this as the user who started lifesign, "
			     "or with CAP_DAC_OVERRIDE",
			search->dir);
		return EXIT_NOT_PERMITTED;
	}
	if (search->service)
		cli_complain("no agent for service '%s': looked at %s%s; start one by 'lifesign run --service "
			     "%s', or name "
			     "another by --service, --dir or --url",
			search->service, tried, search->dir, search->service);
	else
		cli_complain("no agent: looked at %s%s; start one by 'lifesign run COMMAND', or say where it "
			     "is by --dir "
			     "or --url",
			tried, search->dir);
	return EXIT_NO_AGENT;
}

static const char *pick(const char *option, const char *variable)
{
	if (option)
		return option;
	return variable && *variable ? variable : NULL;
}

/* 0, or an exit status after complaining. */
static int set_dir(struct search *search, const char *option, const char *const *environment)
{
	search->dir = pick(option, config_variable(environment, "LIFESIGN_DIR"));
	if (search->dir && *search->dir != '/' && realpath(search->dir, search->whole_dir))
		search->dir = search->whole_dir;
	if (search->dir)
		return 0;
	search->dir = search->default_dir;
	if (settings_default_dir(environment, geteuid(), search->default_dir, sizeof(search->default_dir))) {
		cli_complain(
			"variable RUNTIME_DIRECTORY or XDG_RUNTIME_DIR: too long; name a directory by --dir");
		return EXIT_CONFIG;
	}
	return 0;
}

/* One agent of several: one that hangs leaves time for the others. */
static int64_t turn(const struct search *search)
{
	int64_t end = soon();

	return end < search->deadline ? end : search->deadline;
}

/* What the agent does not list, an old one or one that hangs, is known by its socket. */
static void list_all(struct search *search, struct services *services)
{
	for (unsigned i = 0; i < search->count; i++)
		if (services_add_listed(services, &search->found[i], turn(search)))
			services_add(services, search->names[i]);
}

/* No name was given. 0, or EXIT_USAGE after telling the names. */
static int settle_nameless(const struct search *search, struct client_place *place)
{
	struct services services = {.count = 0};

	if (search->want != CLIENT_SERVICE)
		return 0;
	if (services_add_listed(&services, place, search->deadline) || services.count < 2)
		return 0;
	return services_refuse(&services);
}

/* An agent that --url or LIFESIGN_LISTEN means: the service there, if one was named. */
static int settle_at(const struct search *search, struct client_place *place)
{
	struct services services = {.count = 0};
	char list[256] = "";

	if (search->want == CLIENT_AGENT)
		return 0;
	if (!search->service)
		return settle_nameless(search, place);
	if (services_enter(place, search->service, search->deadline) != 0 || !search->named)
		return 0; /* there it is; or whoever asks next says what is wrong with that agent */
	(void)services_add_listed(&services, place, search->deadline); /* none: the list is empty */
	services_join(&services, list, sizeof(list));
	cli_complain(
		"no service '%s' at %s, which has: %s", search->service, place->name, *list ? list : "none");
	return EXIT_NO_AGENT;
}

/* One of several sockets without a name: only when together they have one service. */
static int pick_from_several(struct search *search, struct client_place *out)
{
	struct services services = {.count = 0};

	list_all(search, &services);
	for (unsigned i = 0; services.count == 1 && i < search->count; i++) {
		*out = search->found[i];
		if (services_enter(out, services.names[0], turn(search)) == 1 ||
			!strcmp(search->names[i], services.names[0]))
			return 0;
	}
	if (!services.count)
		for (unsigned i = 0; i < search->count; i++)
			services_add(&services, search->names[i]);
	return services_refuse(&services);
}

/* The service that was named has no socket of its own: 0, EXIT_USAGE, or EXIT_NO_AGENT. */
static int enter_one(struct search *search, struct client_place *out)
{
	unsigned having = 0;

	look_through(search, search->dir, NULL);
	for (unsigned i = 0; i < search->count; i++) {
		struct client_place place = search->found[i];

		if (services_enter(&place, search->service, turn(search)) != 1)
			continue;
		if (!having++)
			*out = place;
	}
	if (having < 2)
		return having ? 0 : tell_none(search);
	cli_complain(
		"%u agents in %s have a service '%s': pick one by --url", having, search->dir, search->service);
	return EXIT_USAGE;
}

static int find_in_dir(struct search *search, struct client_place *out)
{
	if (search->dir == search->default_dir && !is_trusted(search->dir))
		return tell_none(search);
	look_through(search, search->dir, search->service);
	if (search->count == 1) {
		*out = search->found[0];
		return search->service ? 0 : settle_nameless(search, out);
	}
	if (search->service)
		return enter_one(search, out);
	return search->count ? pick_from_several(search, out) : tell_none(search);
}

static int find(struct search *search, const struct cli_words *words, const char *const *environment,
	struct client_place *out)
{
	const char *option = words->options[ASK_SERVICE];
	int result = -1;

	search->service = pick(option, config_variable(environment, "LIFESIGN_SERVICE"));
	search->named = option;
	if (words->options[ASK_URL])
		result = take_url(words->options[ASK_URL], out);
	else if (search->want != CLIENT_AGENT && !option && !words->options[ASK_DIR])
		result = take_listen(search, config_variable(environment, "LIFESIGN_LISTEN"), out);
	if (result >= 0)
		return result ? result : settle_at(search, out);
	result = set_dir(search, words->options[ASK_DIR], environment);
	return result ? result : find_in_dir(search, out);
}

int client_find(const struct cli_words *words, const char *const *environment, enum client_want want,
	struct client_place *out)
{
	struct search *search = calloc(1, sizeof(*search));
	int result;

	if (!search) {
		cli_complain("no memory");
		return EXIT_NO_AGENT;
	}
	search->want = want;
	search->deadline = clock_mono_ns() + CLIENT_MS * NS_PER_MS;
	result = find(search, words, environment, out);
	if (want == CLIENT_AGENT)
		*out->prefix = 0; /* whatever the service, orders are the agent's */
	free(search);
	return result;
}
