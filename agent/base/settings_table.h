/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one table of settings, seen only by settings_*.c: what may be written where, in which range, and what
 * it is when nobody wrote it.
 * Threads: any; immutable. Failure: a text that is not allowed is -EINVAL and a reason.
 */
#ifndef LS_SETTINGS_TABLE_H
#define LS_SETTINGS_TABLE_H

#include "base/config.h"
#include "base/options.h"
#include "base/settings.h"

enum setting_type {
	SETTING_SWITCH,  /* bool */
	SETTING_OBSERVE, /* a switch that writes an enum liveness_mode */
	SETTING_DEBUG,   /* false, true, all: writes debug and debug_all */
	SETTING_SECONDS, /* double */
	SETTING_SHARE,   /* double */
	SETTING_COUNT,   /* unsigned */
	SETTING_SLOTS,   /* unsigned, rounded up to a power of two */
	SETTING_ENUM,    /* unsigned: index into words */
	SETTING_NAME,    /* char[]: a service's name, fit for a file name */
	SETTING_TEXT,    /* char[] */
	SETTING_PORT,    /* startup.port */
	SETTING_LISTEN,  /* listen[] */
	SETTING_COMMAND  /* liveness.on_dead[] */
};

struct setting {
	const char *key;          /* in the file; a dot steps into a section; NULL: none */
	struct option_row option; /* name NULL: none; help is about the setting wherever it is written */
	const char *variable;     /* NULL: none */
	enum setting_type type;
	double least, most;
	const char *const *words;  /* of an enum; ends with NULL */
	const char *standard;      /* the default as one would write it; NULL: empty */
	const char *standard_text; /* for people, where the default is not a constant */
	size_t offset, bytes;      /* in struct settings */
	bool fixed;                /* cannot change while a service runs */
	bool idle;                 /* taken and checked; nothing in this version acts on it */
	bool joined;               /* a list of texts is one text with commas */
};

extern const struct setting settings_table[];
extern const unsigned settings_rows;

/*
 * Writes one value as it stands in a variable, an option or a scalar of the file. -EINVAL: `why` says
 * "found …, allowed: …" and `settings` is untouched.
 */
int setting_set(
	const struct setting *row, struct settings *settings, const char *text, char *why, size_t why_bytes);

/* Adds one word to a list; setting_clear before the first. */
int setting_add(
	const struct setting *row, struct settings *settings, const char *text, char *why, size_t why_bytes);
void setting_clear(const struct setting *row, struct settings *settings);

/* "seconds from 0 to 3600", for complaints, help and the reference. */
void setting_allowed(const struct setting *row, char *out, size_t bytes);

static inline bool setting_is_list(const struct setting *row)
{
	return row->type == SETTING_LISTEN || row->type == SETTING_COMMAND;
}

/* What a file that is being read has; owned from here on. It counts once that file was taken over. */
void settings_offer_dependencies(struct dependency_set *set);
void settings_accept_dependencies(void);

/* The layers, lowest first. */
void settings_set_defaults(struct settings *settings);
void settings_read_file(
	struct settings *settings, const char *path, const char *const *environment, struct complaints *why);
void settings_read_variables(struct settings *settings, const char *const *environment, struct complaints *why);
/* OPTIONS_END, OPTIONS_HELP or OPTIONS_BAD. */
int settings_read_options(
	struct settings *settings, int argc, char **argv, int *first_operand, struct complaints *why);

#endif
