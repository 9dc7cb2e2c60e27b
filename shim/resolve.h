/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds functions in the objects that the loader has mapped, without dlsym: that one allocates on a miss
 * (and deadlocks with an allocator that is just starting), may return an ancient version, and is in no
 * libc.so before glibc 2.34.
 * Threads: any. Failure: what is not found stays NULL. Memory: none but the caller's.
 */
#ifndef LS_SHIM_RESOLVE_H
#define LS_SHIM_RESOLVE_H

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RESOLVE_SEGMENTS 16 /* readable segments looked at in one object; compilers make 3 to 5 */

struct resolve_object {
	uintptr_t bias;
	struct {
		uintptr_t start, end;
	} readable[RESOLVE_SEGMENTS];
	size_t readable_count;
	const ElfW(Sym) *symbols;
	const char *strings;
	size_t string_bytes;
	const uint32_t *gnu_hash; /* NULL: the object has none */
	const uint32_t *hash;
	const ElfW(Half) *versions;
};

/* False: not an object that could hold functions. Every later look stays within its readable segments. */
bool resolve_open(struct resolve_object *object, uintptr_t bias, const ElfW(Phdr) *headers, size_t count);
uint32_t resolve_hash(const char *name);
enum resolve_version { VERSION_DEFAULT, VERSION_ANY, VERSION_OLD }; /* old: only old programs bind to it */
void *resolve_find(
	const struct resolve_object *object, const char *name, uint32_t hash, enum resolve_version version);

/* Fills each NULL in found[] from the objects loaded after this one, else from those before it, else
 * with a hidden version; never with a function of this object. */
void resolve_names(const char *const *names, void **found, size_t count);
/* The version of a function that only old programs bind to, of an object that has both; NULL without one. */
void *resolve_old(const char *name);
/* A function of the kernel's vDSO at `image`, NULL without one. */
void *resolve_in_image(uintptr_t image, const char *name);

#endif
