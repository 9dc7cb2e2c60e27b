/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/symbols.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/text.h"

enum { LINE_BYTES = 4096 + 128, FIRST_ROOM = 64 };

void symbols_start(struct symbols *cache)
{
	*cache = (struct symbols){0};
}

void symbols_end(struct symbols *cache)
{
	free(cache->mappings);
	symbols_start(cache);
}

int symbols_parse_mapping(const char *line, struct symbols_mapping *out)
{
	int path = 0;

	*out = (struct symbols_mapping){0};
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*4s %" SCNx64 " %x:%x %" SCNu64 "%n", &out->start, &out->end,
		    &out->offset, &out->device_major, &out->device_minor, &out->inode, &path) < 6 ||
		!path || out->start >= out->end)
		return -EPROTO;
	path += (int)strspn(line + path, " ");
	(void)snprintf(out->path, sizeof(out->path), "%.*s", (int)strcspn(line + path, "\n"),
		line + path); /* cut: then it opens nothing */
	return 0;
}

static bool take_line(struct symbols *cache, unsigned *room, const char *line)
{
	struct symbols_mapping mapping, *grown;

	if (symbols_parse_mapping(line, &mapping) || cache->count == SYMBOLS_MAPPINGS)
		return cache->count < SYMBOLS_MAPPINGS;
	if (cache->count == *room) {
		*room = *room ? *room * 2 : FIRST_ROOM;
		grown = realloc(cache->mappings, *room * sizeof(*grown));
		if (!grown)
			return false;
		cache->mappings = grown;
	}
	cache->mappings[cache->count++] = mapping;
	return true;
}

/* Under the target's own uid a reader gives its first part: programs of ordinary size fit. */
static FILE *open_reached(const struct reach_target *target, char *text, size_t bytes)
{
	ssize_t got = reach_file(target, "maps", text, bytes);

	if (got <= 0) {
		errno = got < 0 ? (int)-got : ESRCH;
		return NULL;
	}
	return fmemopen(text, (size_t)got, "r");
}

static int read_mappings(struct symbols *cache, const struct reach_target *target)
{
	char path[64], line[LINE_BYTES], text[REACH_BYTES];
	unsigned room = 0;
	bool reached;
	FILE *file;

	symbols_end(cache);
	(void)snprintf(path, sizeof(path), "/proc/%d/maps", target->pid);
	file = fopen(path, "re");
	reached = !file && (errno == EACCES || errno == EPERM);
	if (reached)
		file = open_reached(target, text, sizeof(text));
	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file) && take_line(cache, &room, line))
		;
	(void)fclose(file); /* was only read */
	cache->cut = reached || cache->count == SYMBOLS_MAPPINGS;
	cache->pid = cache->count ? target->pid : 0;
	return cache->count ? 0 : -ESRCH;
}

static int refresh(struct symbols *cache, const struct reach_target *target)
{
	return cache->pid == target->pid ? 0 : read_mappings(cache, target);
}

static const struct symbols_mapping *find(const struct symbols *cache, uint64_t address, unsigned *index)
{
	for (unsigned i = 0; i < cache->count; i++) {
		*index = i;
		if (address >= cache->mappings[i].start && address < cache->mappings[i].end)
			return &cache->mappings[i];
	}
	return NULL;
}

static bool is_file(const struct symbols_mapping *mapping)
{
	return mapping->path[0] == '/' && mapping->inode;
}

/* The lowest part of the object that holds mapping `index`; what has no name may be the zeroed end of the one
 * before. */
static const struct symbols_mapping *object_of(const struct symbols *cache, unsigned index)
{
	const struct symbols_mapping *all = cache->mappings, *base;

	while (index > 0 && !all[index].path[0] && all[index - 1].end == all[index].start)
		index--;
	if (!is_file(&all[index]))
		return NULL;
	base = &all[index];
	while (index-- > 0 && (!all[index].path[0] || all[index].inode == base->inode)) {
		if (all[index].inode == base->inode)
			base = &all[index];
	}
	return base;
}

/* Only a regular file, the very one that is mapped: its name is the service's word, and an open may wait or do
 * harm. */
static int open_same(const char *path, const struct symbols_mapping *mapping, bool device)
{
	int place = open(path, O_PATH | O_CLOEXEC), fd = -1;
	struct stat status;
	char link[32];

	if (place < 0)
		return -1;
	if (!fstat(place, &status) && S_ISREG(status.st_mode) && status.st_ino == mapping->inode &&
		(!device || (major(status.st_dev) == mapping->device_major &&
				    minor(status.st_dev) == mapping->device_minor))) {
		(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", place);
		fd = open(link, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	}
	close(place);
	return fd;
}

/* By the kernel's own link (also when the file was replaced), as the process sees it, as we see it. */
static int open_object(const struct symbols_mapping *mapping, pid_t pid)
{
	char path[SYMBOLS_PATH + 64];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, pid, mapping->start,
		mapping->end);
	fd = open_same(path, mapping, false);
	if (fd >= 0)
		return fd;
	(void)snprintf(path, sizeof(path), "/proc/%d/root%s", pid, mapping->path);
	fd = open_same(path, mapping, false);
	return fd >= 0 ? fd : open_same(mapping->path, mapping, true);
}

static void name_of_file(const struct symbols_mapping *base, pid_t pid, uint64_t address, bool is_within,
	char *out, size_t bytes)
{
	char symbol[SYMBOLS_NAME] = "", file[SYMBOLS_PATH];
	int fd = open_object(base, pid);
	uint64_t offset = address - base->start;
	const char *name;

	(void)snprintf(file, sizeof(file), "%s", base->path);
	if (strlen(file) > 10 && !strcmp(file + strlen(file) - 10, " (deleted)"))
		file[strlen(file) - 10] = '\0';
	name = strrchr(file, '/') + 1;
	if (fd >= 0 && (is_within || offset < symbols_elf_extent(fd))) {
		if (base->offset == 0)
			(void)symbols_elf_name(fd, offset, symbol, sizeof(symbol)); /* empty: it has none */
		is_within = true;
	}
	if (fd >= 0)
		close(fd);
	text_sanitize(symbol);
	text_sanitize(file);
	if (is_within)
		(void)snprintf(out, bytes, "%s%s%.40s+0x%" PRIx64, symbol, symbol[0] ? ", " : "", name, offset);
	else
		(void)snprintf(out, bytes, "[anon]");
}

int symbols_name(
	struct symbols *cache, const struct reach_target *target, uint64_t address, char *out, size_t bytes)
{
	const struct symbols_mapping *mapping, *base;
	int error = refresh(cache, target);
	unsigned index = 0;

	out[0] = '\0';
	if (error)
		return error;
	mapping = find(cache, address, &index);
	if (!mapping)
		return -ENOENT;
	base = object_of(cache, index);
	if (base)
		name_of_file(base, target->pid, address, is_file(mapping), out, bytes);
	else if (mapping->path[0] == '[')
		(void)snprintf(out, bytes, "%.40s+0x%" PRIx64, mapping->path, address - mapping->start);
	else
		(void)snprintf(out, bytes, "[anon]");
	text_sanitize(out);
	return 0;
}

int symbols_maps(struct symbols *cache, const struct reach_target *target, const char *text)
{
	int error = refresh(cache, target);

	for (unsigned i = 0; !error && i < cache->count; i++) {
		if (strstr(cache->mappings[i].path, text))
			return 1;
	}
	return error;
}

int symbols_narrow(struct symbols *cache, const struct reach_target *target)
{
	int error = refresh(cache, target);

	if (!error && cache->cut)
		return 0; /* what is missing is the upper part */
	for (unsigned i = 0; !error && i < cache->count; i++) {
		if (cache->mappings[i].end > UINT64_C(0x100000000))
			return 0;
	}
	return error ? error : 1;
}
