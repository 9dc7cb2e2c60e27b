/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/client_services.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

void services_add(struct services *services, const char *name)
{
	services->count++;
	if (services->kept < SERVICES_KEPT)
		(void)snprintf(services->names[services->kept++], SERVICE_NAME_BYTES, "%s",
			name); /* no longer than that */
}

int services_add_listed(struct services *services, const struct client_place *place, int64_t deadline)
{
	struct client_reply reply;
	const json_t *row;
	json_t *list;
	size_t index;
	int result = client_ask_by(place, "GET", "/services", deadline, &reply);

	if (result)
		return result;
	list = reply.status == 200 ? json_loadb(reply.body, reply.bytes, 0, NULL) : NULL;
	client_free(&reply);
	result = json_is_array(list) ? 0 : -EPROTO;
	json_array_foreach(list, index, row)
	{
		const char *name = json_string_value(json_object_get(row, "name"));

		if (name)
			services_add(services, name);
	}
	json_decref(list);
	return result;
}

void services_join(struct services *services, char *out, size_t bytes)
{
	static const char more[] = ", …";
	size_t used = 0, length;
	unsigned i;

	*out = 0;
	qsort(services->names, services->kept, sizeof(services->names[0]),
		(int (*)(const void *, const void *))strcmp);
	for (i = 0; i < services->kept; i++) {
		length = strlen(services->names[i]) + (i ? 2 : 0);
		if (used + length + sizeof(more) > bytes)
			break;
		used += (size_t)snprintf(out + used, bytes - used, "%s%s", i ? ", " : "", services->names[i]);
	}
	if (i < services->count)
		(void)snprintf(out + used, bytes - used, "%s", more); /* room was kept */
}

int services_refuse(struct services *services)
{
	char list[512];

	services_join(services, list, sizeof(list));
	cli_complain("%u services here (%s): pick one by --service NAME", services->count, list);
	return EXIT_USAGE;
}

/* What a name may hold that a path may not stands there as %XX. */
static void set_prefix(struct client_place *place, const char *name)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	char *at = stpcpy(place->prefix, "/services/");

	for (; *name; name++)
		at += strchr(plain, *name) ? sprintf(at, "%c", *name)
					   : sprintf(at, "%%%02X", (unsigned char)*name);
}

int services_enter(struct client_place *place, const char *name, int64_t deadline)
{
	struct client_reply reply;
	bool is_there;
	int result;

	if (strlen(name) >= SERVICE_NAME_BYTES)
		return 0;
	set_prefix(place, name);
	result = client_ask_by(place, "GET", "/livez", deadline, &reply);
	if (result)
		return result;
	is_there = (reply.status == 200 || reply.status == 503) && *reply.verdict;
	client_free(&reply);
	if (!is_there)
		*place->prefix = 0;
	return is_there;
}
