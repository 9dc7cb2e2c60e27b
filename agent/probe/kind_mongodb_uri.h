/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The URL of a dependency as libmongoc wants it: without TLS, which is ours, and without a password.
 * Threads: any. Failure: false and a reason. Memory: `uri` is the caller's.
 */
#ifndef LS_KIND_MONGODB_URI_H
#define LS_KIND_MONGODB_URI_H

#include <mongoc/mongoc.h>

#include "base/dependency.h"

struct mongodb_uri {
	mongoc_uri_t *uri;
	struct dependency of; /* with the URL's tls… options in its fields */
	unsigned hosts;
	bool tls;
};

bool mongodb_uri_read(struct mongodb_uri *out, const struct dependency *of, char *why, size_t why_bytes);

#endif
