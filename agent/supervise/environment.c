/* SPDX-License-Identifier: Apache-2.0 */
#include "supervise/environment.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PID_DIGITS = 12, ADDED = 3 };

static const char *const pid_names[ENVIRONMENT_PIDS] = {"LISTEN_PID", "WATCHDOG_PID"};

/* What was meant for COMMAND when the tarball's launcher started us; see cli/launcher.c. */
static const struct {
	const char *travels_as, *name;
} travelled[] = {{"LIFESIGN_COMMAND_PRELOAD", "LD_PRELOAD"}, {"LIFESIGN_COMMAND_AUDIT", "LD_AUDIT"}};

static const char *value_of(const char *entry, const char *name)
{
	size_t bytes = strlen(name);

	return strncmp(entry, name, bytes) == 0 && entry[bytes] == '=' ? entry + bytes + 1 : NULL;
}

const char *environment_find(char **list, const char *name)
{
	for (; list && *list; list++) {
		const char *value = value_of(*list, name);

		if (value)
			return value;
	}
	return NULL;
}

static char *join(const char *name, const char *value)
{
	char *entry;

	return asprintf(&entry, "%s=%s", name, value) < 0 ? NULL : entry;
}

/* `shim` is one of the words of a list whose separators are colons and blanks. */
static bool has_word(const char *list, const char *shim)
{
	size_t bytes = strlen(shim);

	for (const char *at = list; (at = strstr(at, shim)); at += bytes) {
		if ((at == list || strchr(": \t\n", at[-1])) && (!at[bytes] || strchr(": \t\n", at[bytes])))
			return true;
	}
	return false;
}

static char *preload(const char *users, const char *shim)
{
	char *entry;

	if (!users || !*users)
		return join("LD_PRELOAD", shim);
	if (has_word(users, shim))
		return join("LD_PRELOAD", users);
	return asprintf(&entry, "LD_PRELOAD=%s:%s", users, shim) < 0 ? NULL : entry;
}

/* "NAME=" and room for the digits that only the child knows; NULL on ENOMEM. */
static char *reserve_pid(const char *name)
{
	size_t bytes = strlen(name) + 1 + PID_DIGITS;
	char *entry = malloc(bytes);

	if (entry)
		(void)snprintf(entry, bytes, "%s=0", name);
	return entry;
}

/* An entry as COMMAND shall see it: itself, another one, or NULL = left out. */
static char *rewrite(struct environment *out, char *entry, const struct environment_plan *plan)
{
	for (unsigned i = 0; i < ENVIRONMENT_PIDS; i++) {
		const char *pid = value_of(entry, pid_names[i]);

		if (pid && atol(pid) == plan->self) {
			out->own_pid[i] = reserve_pid(pid_names[i]);
			return out->own_pid[i];
		}
	}
	if (plan->notify && value_of(entry, "NOTIFY_SOCKET"))
		return join("NOTIFY_SOCKET", plan->notify);
	if (plan->shim && value_of(entry, "LD_PRELOAD"))
		return preload(value_of(entry, "LD_PRELOAD"), plan->shim);
	return entry;
}

static bool is_left_out(const char *entry)
{
	/* the inode of our pidfd: it no longer fits once LISTEN_PID is rewritten */
	if (value_of(entry, "LISTEN_PIDFDID"))
		return true;
	return strncmp(entry, "LIFESIGN_", strlen("LIFESIGN_")) == 0;
}

static int add(struct environment *out, size_t *count, char *entry)
{
	if (!entry)
		return -ENOMEM;
	out->list[(*count)++] = entry;
	return 0;
}

static int add_travelled(struct environment *out, size_t *count, char **before, const struct environment_plan *plan)
{
	int ret = 0;

	for (size_t i = 0; i < sizeof(travelled) / sizeof(travelled[0]); i++) {
		const char *value = environment_find(before, travelled[i].travels_as);
		char *entry = value ? join(travelled[i].name, value) : NULL, *rewritten = entry ? rewrite(out, entry, plan) : NULL;

		if (rewritten != entry)
			free(entry);
		if (value)
			ret |= add(out, count, rewritten);
	}
	return ret ? -ENOMEM : 0;
}

int environment_build(struct environment *out, char **before, const struct environment_plan *plan)
{
	size_t count = 0, most = ADDED + sizeof(travelled) / sizeof(travelled[0]);
	int ret = 0;

	for (char **entry = before; *entry; entry++)
		most++;
	*out = (struct environment){.list = calloc(most, sizeof(char *))};
	if (!out->list)
		return -ENOMEM;
	for (char **entry = before; *entry && !ret; entry++) {
		if (!is_left_out(*entry))
			ret = add(out, &count, rewrite(out, *entry, plan));
	}
	if (!ret)
		ret = add_travelled(out, &count, before, plan);
	if (!ret && plan->shim && !environment_find(out->list, "LD_PRELOAD"))
		ret = add(out, &count, preload(NULL, plan->shim));
	if (!ret && plan->segment)
		ret = add(out, &count, join("LIFESIGN_SEGMENT", plan->segment));
	return ret;
}

/* By hand: snprintf may not be called between fork and exec. */
static void put_digits(char *at, pid_t pid)
{
	char digits[PID_DIGITS];
	unsigned count = 0;

	do
		digits[count++] = (char)('0' + pid % 10);
	while (pid /= 10);
	while (count)
		*at++ = digits[--count];
	*at = '\0';
}

void environment_set_pid(struct environment *environment, pid_t pid)
{
	for (unsigned i = 0; i < ENVIRONMENT_PIDS; i++) {
		if (environment->own_pid[i])
			put_digits(strchr(environment->own_pid[i], '=') + 1, pid);
	}
}
