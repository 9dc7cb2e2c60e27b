/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ELF symbol look-up over dl_iterate_phdr: GNU hash, else the older SYSV hash. The order is that of
 * RTLD_NEXT, so that another interposer behind this one is called and one before it never is, which
 * would be a circle. Objects may be anything a linker or a packer made: every read is bounded by the
 * readable segments, every loop by the size of a table.
 */
#include "resolve.h"

extern int dl_iterate_phdr(int (*)(struct dl_phdr_info *, size_t, void *), void *) __attribute__((weak));

#define HIDDEN 0x8000 /* of a version: not what new programs bind to */

static const char anchor; /* lies in this object and in no other */

static bool holds(const struct resolve_object *object, uintptr_t address, size_t bytes)
{
	for (size_t i = 0; i < object->readable_count; i++) {
		if (address >= object->readable[i].start && address < object->readable[i].end)
			return bytes <= object->readable[i].end - address;
	}
	return false;
}

/* glibc has added the bias to the pointers of the dynamic section, musl and the vDSO have not. */
static const void *table(const struct resolve_object *object, ElfW(Addr) value, size_t bytes)
{
	if (holds(object, value, bytes))
		return (const void *)value;
	if (holds(object, object->bias + value, bytes))
		return (const void *)(object->bias + value);
	return NULL;
}

static void note_dynamic(struct resolve_object *object, const ElfW(Dyn) *entry)
{
	switch (entry->d_tag) {
	case DT_SYMTAB: object->symbols = table(object, entry->d_un.d_ptr, sizeof(ElfW(Sym))); break;
	case DT_STRTAB: object->strings = table(object, entry->d_un.d_ptr, 1); break;
	case DT_STRSZ: object->string_bytes = entry->d_un.d_val; break;
	case DT_GNU_HASH: object->gnu_hash = table(object, entry->d_un.d_ptr, 4 * sizeof(uint32_t)); break;
	case DT_HASH: object->hash = table(object, entry->d_un.d_ptr, 2 * sizeof(uint32_t)); break;
	case DT_VERSYM: object->versions = table(object, entry->d_un.d_ptr, sizeof(ElfW(Half))); break;
	default: break;
	}
}

static void note_segment(struct resolve_object *object, const ElfW(Phdr) *header)
{
	if (header->p_type != PT_LOAD || !(header->p_flags & PF_R) ||
		object->readable_count == RESOLVE_SEGMENTS)
		return;
	uintptr_t start = object->bias + header->p_vaddr;
	uintptr_t end = start + header->p_memsz;

	if (end > start) {
		object->readable[object->readable_count].start = start;
		object->readable[object->readable_count++].end = end;
	}
}

bool resolve_open(struct resolve_object *object, uintptr_t bias, const ElfW(Phdr) *headers, size_t count)
{
	const ElfW(Phdr) *dynamic = NULL;

	*object = (struct resolve_object){.bias = bias};
	for (size_t i = 0; i < count; i++) {
		note_segment(object, &headers[i]);
		if (headers[i].p_type == PT_DYNAMIC)
			dynamic = &headers[i];
	}
	if (!dynamic)
		return false;
	uintptr_t at = bias + dynamic->p_vaddr;

	for (size_t i = 0; i < dynamic->p_memsz / sizeof(ElfW(Dyn)); i++, at += sizeof(ElfW(Dyn))) {
		if (!holds(object, at, sizeof(ElfW(Dyn))) || ((const ElfW(Dyn) *)at)->d_tag == DT_NULL)
			break;
		note_dynamic(object, (const ElfW(Dyn) *)at);
	}
	return object->symbols && object->strings && (object->gnu_hash || object->hash);
}

uint32_t resolve_hash(const char *name)
{
	uint32_t hash = 5381;

	for (const unsigned char *c = (const unsigned char *)name; *c; c++)
		hash = hash * 33 + *c;
	return hash;
}

static uint32_t sysv_hash(const char *name)
{
	uint32_t hash = 0;

	for (const unsigned char *c = (const unsigned char *)name; *c; c++) {
		hash = (hash << 4) + *c;
		hash ^= (hash >> 24) & 0xf0;
	}
	return hash & 0xfffffff;
}

static bool is_named(const struct resolve_object *object, const ElfW(Sym) *symbol, const char *name)
{
	for (size_t at = symbol->st_name; at < object->string_bytes; at++, name++) {
		if (!holds(object, (uintptr_t)&object->strings[at], 1) || object->strings[at] != *name)
			return false;
		if (!*name)
			return true;
	}
	return false;
}

/* The function at symbol number `index`, if it is this one and defined here. */
static void *function_at(
	const struct resolve_object *object, uint32_t index, const char *name, enum resolve_version wanted)
{
	const ElfW(Sym) *symbol = &object->symbols[index];

	if (!holds(object, (uintptr_t)symbol, sizeof(*symbol)))
		return NULL;
	/* an IFUNC would have to be run to know its function; nothing that blocks is one */
	if (ELF64_ST_TYPE(symbol->st_info) != STT_FUNC || symbol->st_shndx == SHN_UNDEF || !symbol->st_value)
		return NULL;
	if (object->versions && holds(object, (uintptr_t)&object->versions[index], sizeof(ElfW(Half)))) {
		ElfW(Half) version = object->versions[index];

		if (version == 0 || ((version & HIDDEN) ? wanted == VERSION_DEFAULT : wanted == VERSION_OLD))
			return NULL;
	} else if (wanted == VERSION_OLD) {
		return NULL;
	}
	if (!is_named(object, symbol, name))
		return NULL;
	void *function = (void *)(object->bias + symbol->st_value);

	return holds(object, (uintptr_t)function, 1) ? function : NULL;
}

/* The chain of one bucket ends with a set low bit, or where the readable memory ends. */
static void *find_in_chain(const struct resolve_object *object, const uint32_t *chain, uint32_t index,
	const char *name, uint32_t hash, enum resolve_version version)
{
	for (;; index++, chain++) {
		if (!holds(object, (uintptr_t)chain, sizeof(*chain)))
			return NULL;
		if ((*chain | 1) == (hash | 1)) {
			void *function = function_at(object, index, name, version);

			if (function)
				return function;
		}
		if (*chain & 1)
			return NULL;
	}
}

static void *find_by_gnu_hash(
	const struct resolve_object *object, const char *name, uint32_t hash, enum resolve_version version)
{
	const uint32_t *head = object->gnu_hash;
	uint32_t bucket_count = head[0], first = head[1], bloom_count = head[2], shift = head[3] & 31;
	const ElfW(Addr) *bloom = (const ElfW(Addr) *)(head + 4);
	const unsigned int bits = 8 * sizeof(ElfW(Addr));

	if (!bucket_count || !bloom_count)
		return NULL;
	const ElfW(Addr) *word = &bloom[(hash / bits) & (bloom_count - 1)];
	ElfW(Addr) mask = ((ElfW(Addr))1 << (hash % bits)) | ((ElfW(Addr))1 << ((hash >> shift) % bits));

	if (!holds(object, (uintptr_t)word, sizeof(*word)) || (*word & mask) != mask)
		return NULL;
	const uint32_t *buckets = (const uint32_t *)(bloom + bloom_count);
	const uint32_t *bucket = &buckets[hash % bucket_count];

	if (!holds(object, (uintptr_t)bucket, sizeof(*bucket)) || *bucket < first)
		return NULL;
	return find_in_chain(object, &buckets[bucket_count] + (*bucket - first), *bucket, name, hash, version);
}

static void *find_by_hash(const struct resolve_object *object, const char *name, enum resolve_version version)
{
	uint32_t bucket_count = object->hash[0], chain_count = object->hash[1];
	const uint32_t *buckets = object->hash + 2;

	if (!bucket_count ||
		!holds(object, (uintptr_t)buckets, ((size_t)bucket_count + chain_count) * sizeof(*buckets)))
		return NULL;
	const uint32_t *link = &buckets[sysv_hash(name) % bucket_count];

	for (uint32_t left = chain_count; left; left--) { /* a longer walk is a circle */
		if (!*link || *link >= chain_count)
			return NULL;
		void *function = function_at(object, *link, name, version);

		if (function)
			return function;
		link = &buckets[bucket_count] + *link;
	}
	return NULL;
}

void *resolve_find(
	const struct resolve_object *object, const char *name, uint32_t hash, enum resolve_version version)
{
	if (object->gnu_hash)
		return find_by_gnu_hash(object, name, hash, version);
	return find_by_hash(object, name, version);
}

struct walk {
	const char *const *names;
	void **found;
	size_t count;
	bool after; /* which objects and versions this walk takes */
	enum resolve_version version;
	bool passed_self;
};

static int look_into(struct dl_phdr_info *info, size_t bytes, void *walk_)
{
	struct walk *walk = walk_;
	struct resolve_object object;

	(void)bytes; /* only fields that every libc has */
	bool usable = resolve_open(&object, info->dlpi_addr, info->dlpi_phdr, info->dlpi_phnum);

	if (holds(&object, (uintptr_t)&anchor, 1)) {
		walk->passed_self = true;
		return 0;
	}
	if (!usable || walk->passed_self != walk->after)
		return 0;
	for (size_t i = 0; i < walk->count; i++) {
		if (!walk->found[i])
			walk->found[i] = resolve_find(
				&object, walk->names[i], resolve_hash(walk->names[i]), walk->version);
	}
	return 0;
}

void resolve_names(const char *const *names, void **found, size_t count)
{
	static const struct {
		bool after;
		enum resolve_version version;
	} walks[] = {{true, VERSION_DEFAULT}, {false, VERSION_DEFAULT}, {true, VERSION_ANY}};

	if (!dl_iterate_phdr)
		return;
	for (size_t i = 0; i < sizeof(walks) / sizeof(walks[0]); i++) {
		struct walk walk = {names, found, count, walks[i].after, walks[i].version, false};

		dl_iterate_phdr(look_into, &walk);
	}
}

void *resolve_old(const char *name)
{
	void *found = NULL;
	struct walk walk = {&name, &found, 1, true, VERSION_OLD, false};

	if (dl_iterate_phdr)
		dl_iterate_phdr(look_into, &walk);
	return found;
}

void *resolve_in_image(uintptr_t image, const char *name)
{
	const ElfW(Ehdr) *file = (const ElfW(Ehdr) *)image;
	struct resolve_object object;

	if (!image)
		return NULL;
	const ElfW(Phdr) *headers = (const ElfW(Phdr) *)(image + file->e_phoff);

	for (size_t i = 0; i < file->e_phnum; i++) {
		if (headers[i].p_type != PT_LOAD)
			continue;
		if (!resolve_open(
			    &object, image + headers[i].p_offset - headers[i].p_vaddr, headers, file->e_phnum))
			return NULL;
		return resolve_find(&object, name, resolve_hash(name), VERSION_DEFAULT);
	}
	return NULL;
}
