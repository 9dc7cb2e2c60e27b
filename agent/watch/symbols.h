/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names for addresses in another process: the object that is mapped there, and the symbol where its tables have
 * one. The two tables are read here, with <elf.h> and bounded reads of a regular file that is nowhere mapped:
 * libelf maps what it parses, and a service that truncates its own program would end us by SIGBUS. Threads: one
 * at a time. Failure: no name, only the place. Memory: symbols_end frees what symbols_start began.
 */
#ifndef LS_SYMBOLS_H
#define LS_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "watch/reach.h"

enum { SYMBOLS_PATH = 256, SYMBOLS_NAME = 96, SYMBOLS_MAPPINGS = 65536 };

struct symbols_mapping {
	uint64_t start, end, offset, inode;
	unsigned device_major, device_minor;
	char path[SYMBOLS_PATH]; /* "[heap]", "" */
};

struct symbols {
	pid_t pid; /* whose mappings these are; 0: none yet */
	struct symbols_mapping *mappings;
	unsigned count;
	bool cut; /* there are more */
};

void symbols_start(struct symbols *cache);
void symbols_end(struct symbols *cache);

/*
 * "journal, app+0x20c0", "app+0x20c0", "[heap]+0x20", "[anon]"; fits for 0x… (…). The mappings are read when
 * the process is another one than last time. 0, or -errno with "" in `out`: they cannot be read.
 */
int symbols_name(
	struct symbols *cache, const struct reach_target *target, uint64_t address, char *out, size_t bytes);

/* Does any mapping's path hold this text? */
int symbols_maps(struct symbols *cache, const struct reach_target *target, const char *text);

/* Is it a 32-bit program, whose calls have other numbers? */
int symbols_narrow(struct symbols *cache, const struct reach_target *target);

/*
 * The symbol that holds this address, relative to where the object's lowest part is loaded: the length of its
 * name, 0 none. `fd` may be any file.
 */
size_t symbols_elf_name(int fd, uint64_t offset, char *out, size_t bytes);

/* How far the object reaches from there, as its program headers say: what lies behind it is not its own. 0: no
 * ELF. */
uint64_t symbols_elf_extent(int fd);

/* Exposed for tests: one line of /proc/PID/maps. 0 or -EPROTO. */
int symbols_parse_mapping(const char *line, struct symbols_mapping *out);

#endif
