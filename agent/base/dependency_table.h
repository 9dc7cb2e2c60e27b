/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kinds of dependencies and the keys that each may have, seen by dependency_*.c, `config reference` and the
 * prober. A new kind is a row here, a value of enum dependency_kind and a file probe/kind_X.c.
 * Threads: any; immutable.
 */
#ifndef LS_DEPENDENCY_TABLE_H
#define LS_DEPENDENCY_TABLE_H

#include "base/config.h"
#include "base/dependency.h"

enum { DEPENDENCY_SCHEMES = 6 };

struct dependency_scheme {
	const char *name; /* NULL ends the list; "unix" needs no host, its path is a socket */
	unsigned port;    /* 0: must be given */
	bool tls;
};

struct dependency_kind_row {
	const char *name;
	struct dependency_scheme schemes[DEPENDENCY_SCHEMES];
	bool without_url; /* exec */
	bool host_free;   /* the host may be left out */
	bool many_hosts;  /* the URL may name several */
	const char *number; /* the key without which it gives no number; NULL: none is needed */
	const char *asks;   /* for the reference: what its question is */
};

extern const struct dependency_kind_row dependency_kinds[DEPENDENCY_KINDS];

enum dependency_key_type {
	KEY_TEXT,
	KEY_FILE,   /* must be readable */
	KEY_SWITCH, /* bool */
	KEY_SECONDS,
	KEY_NUMBER,   /* any; sets has_min or has_max beside it */
	KEY_WORD,     /* unsigned: index into words */
	KEY_NAMES,    /* needs */
	KEY_STATUSES, /* status */
	KEY_COMMAND,  /* exec: words; else a line */
	KEY_PATTERN,  /* extended regular expression */
	KEY_POINTER,  /* RFC 6901 */
};

struct dependency_key {
	const char *name;
	enum dependency_key_type type;
	size_t offset, bytes;
	unsigned kinds;           /* bits 1 << enum dependency_kind */
	const char *const *words; /* of KEY_WORD; ends with NULL */
	size_t has;               /* of KEY_NUMBER: offset of the bool */
	const char *help;
};

extern const struct dependency_key dependency_keys[];
extern const unsigned dependency_key_count;

/* Splits `url` for its kind into `at`: 0, or -EINVAL and "found …, allowed: …" (without the secret in it). */
int dependency_parse_url(enum dependency_kind kind, const char *url, struct dependency_url *at, char *why, size_t bytes);

/* The kind whose scheme it has: DEPENDENCY_KINDS when none has. */
enum dependency_kind dependency_kind_of_url(const char *url);
enum dependency_kind dependency_kind_named(const char *name);

/* What is said when neither `kind` nor the scheme of the URL tells the kind. */
void dependency_tell_kinds(const char *url, char *out, size_t bytes);

/* The URL without its password, for people. */
void dependency_show_url(const struct dependency *of, char *out, size_t bytes);

/* The key whose value its kind can make nothing of, and what it could; NULL: none. */
const char *dependency_broken_rule(const struct dependency *of, const char **allowed);

/* Both tables as Markdown, for configuration.md. */
void dependency_print_reference(void);

/* One value of one key: 0, or -EINVAL and a reason. */
int dependency_take(struct dependency *out, const struct dependency_key *key, const struct config_node *node, char *why,
	size_t why_bytes);

#endif
