/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a YAML file (JSON is YAML) into a small tree with line numbers, strictly: one document, no anchors,
 * aliases or tags, no key twice; ${X}, ${X:-default} and $$ in values are expanded.
 * Threads: any. Failure: every complaint is `FILE:LINE: what was found, what is allowed`.
 * Memory: the document owns its nodes until config_free. Also the only place that reads an environment.
 */
#ifndef LS_CONFIG_H
#define LS_CONFIG_H

#include "base/complaints.h"

#include <stdbool.h>

enum {
	CONFIG_BYTES = 1 << 20, /* of a file */
	CONFIG_NODES = 8192, /* values: 256 dependencies with all their keys fit */
	CONFIG_DEPTH = 16,
	CONFIG_TEXT = 4096 /* of one value, expanded */
};

enum config_kind { CONFIG_SCALAR, CONFIG_LIST, CONFIG_MAP };

struct config_node {
	enum config_kind kind;
	unsigned line;
	char *key;                        /* in a map, else NULL */
	char *text;                       /* of a scalar, expanded */
	bool quoted;                      /* "like this": text, never a number; but "${X}" may be anything */
	bool wrong;                       /* complained of already; the text is empty */
	struct config_node *first, *next; /* children of a list or map; siblings */
	struct config_node *chain;        /* every node, for config_free */
};

struct config_document {
	const char *name;         /* the file's, for complaints; owner: caller */
	struct config_node *root; /* NULL: the file says nothing */
	struct config_node *chain;
	unsigned nodes;
};

/* 0 or -EINVAL; then the tree holds what could be read. It is to be freed either way. */
int config_read_file(
	const char *path, const char *const *environment, struct config_document *out, struct complaints *why);
int config_read_text(const char *name, const char *text, size_t bytes, const char *const *environment,
	struct config_document *out, struct complaints *why);
void config_free(struct config_document *document);

/* A plain scalar that says nothing: empty, ~ or null. */
bool config_is_null(const struct config_node *node);

/* Texts of a list with commas between, or a text itself: false when it is something else, or does not fit. */
bool config_join(const struct config_node *node, char *out, size_t bytes);

/* Value of NAME in an environment, or NULL. */
const char *config_variable(const char *const *environment, const char *name);

/* Expands one value into out[CONFIG_TEXT]: 0, or -EINVAL and a reason in `why`. */
int config_expand(const char *text, const char *const *environment, char *out, char *why, size_t why_bytes);

/* The same for a URL: values of variables are percent-encoded, unless the variable is the whole URL. */
int config_expand_url(const char *text, const char *const *environment, char *out, char *why, size_t why_bytes);

#endif
