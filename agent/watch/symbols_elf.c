/* SPDX-License-Identifier: Apache-2.0 */
/* The symbol tables of an ELF file: the second half of symbols.h. Every offset and count in it is a lie until
 * checked. */
#include <elf.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "watch/symbols.h"

enum { SEGMENTS = 128, AT_ONCE = 256 };

/* More than any program has (Chromium's largest have two millions). */
#define MOST_SYMBOLS UINT64_C(4000000)

struct extent {
	uint64_t lowest, highest; /* p_vaddr of what is loaded, by whole pages at the start */
};

struct found {
	uint64_t value, name, strings, strings_bytes;
	bool any;
};

static bool read_at(int fd, uint64_t offset, void *buffer, size_t bytes)
{
	return offset <= INT64_MAX - bytes && pread(fd, buffer, bytes, (off_t)offset) == (ssize_t)bytes;
}

static bool read_head(int fd, Elf64_Ehdr *head)
{
	static const unsigned char order =
		__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;

	return read_at(fd, 0, head, sizeof(*head)) && memcmp(head->e_ident, ELFMAG, SELFMAG) == 0 &&
	       head->e_ident[EI_CLASS] == ELFCLASS64 && head->e_ident[EI_DATA] == order;
}

static bool read_extent(int fd, const Elf64_Ehdr *head, struct extent *out)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	Elf64_Phdr part;

	*out = (struct extent){.lowest = UINT64_MAX};
	if (head->e_phentsize != sizeof(part) || head->e_phnum > SEGMENTS)
		return false;
	for (unsigned i = 0; i < head->e_phnum; i++) {
		if (!read_at(fd, head->e_phoff + i * sizeof(part), &part, sizeof(part)))
			return false;
		if (part.p_type != PT_LOAD || part.p_memsz > UINT64_MAX - part.p_vaddr)
			continue;
		if ((part.p_vaddr & ~(page - 1)) < out->lowest)
			out->lowest = part.p_vaddr & ~(page - 1);
		if (part.p_vaddr + part.p_memsz > out->highest)
			out->highest = part.p_vaddr + part.p_memsz;
	}
	return out->lowest < out->highest;
}

uint64_t symbols_elf_extent(int fd)
{
	struct extent extent;
	Elf64_Ehdr head;

	return read_head(fd, &head) && read_extent(fd, &head, &extent) ? extent.highest - extent.lowest : 0;
}

static bool holds(const Elf64_Sym *symbol, uint64_t address)
{
	unsigned type = ELF64_ST_TYPE(symbol->st_info);

	return (type == STT_OBJECT || type == STT_FUNC || type == STT_GNU_IFUNC) &&
	       symbol->st_shndx != SHN_UNDEF && symbol->st_name && address >= symbol->st_value &&
	       address - symbol->st_value < (symbol->st_size ? symbol->st_size : 1);
}

/* The one that starts nearest before it. */
static void search_table(
	int fd, const Elf64_Shdr *table, const Elf64_Shdr *strings, uint64_t address, struct found *found)
{
	uint64_t count = table->sh_size / sizeof(Elf64_Sym);
	Elf64_Sym symbols[AT_ONCE];

	if (table->sh_entsize != sizeof(symbols[0]) || count > MOST_SYMBOLS)
		return;
	for (uint64_t at = 0; at < count; at += AT_ONCE) {
		size_t now = count - at < AT_ONCE ? (size_t)(count - at) : AT_ONCE;

		if (!read_at(fd, table->sh_offset + at * sizeof(symbols[0]), symbols, now * sizeof(symbols[0])))
			return;
		for (size_t i = 0; i < now; i++) {
			if (!holds(&symbols[i], address) || (found->any && symbols[i].st_value <= found->value))
				continue;
			*found = (struct found){.value = symbols[i].st_value,
				.name = symbols[i].st_name,
				.strings = strings->sh_offset,
				.strings_bytes = strings->sh_size,
				.any = true};
		}
	}
}

/* Two at most: the whole table, and what the loader uses. */
static void search_sections(int fd, const Elf64_Ehdr *head, uint64_t address, struct found *found)
{
	unsigned looked = 0;

	if (head->e_shentsize != sizeof(Elf64_Shdr))
		return;
	for (unsigned i = 0; i < head->e_shnum && looked < 2; i++) {
		Elf64_Shdr table, strings;

		if (!read_at(fd, head->e_shoff + i * sizeof(table), &table, sizeof(table)))
			return;
		if ((table.sh_type != SHT_SYMTAB && table.sh_type != SHT_DYNSYM) ||
			table.sh_link >= head->e_shnum ||
			!read_at(
				fd, head->e_shoff + table.sh_link * sizeof(strings), &strings, sizeof(strings)))
			continue;
		search_table(fd, &table, &strings, address, found);
		looked++;
	}
}

size_t symbols_elf_name(int fd, uint64_t offset, char *out, size_t bytes)
{
	struct found found = {0};
	struct extent extent;
	Elf64_Ehdr head;
	uint64_t room;
	ssize_t got;

	if (!read_head(fd, &head) || !read_extent(fd, &head, &extent) ||
		offset >= extent.highest - extent.lowest)
		return 0;
	search_sections(fd, &head, extent.lowest + offset, &found);
	if (!found.any || found.name >= found.strings_bytes || found.strings > INT64_MAX - found.name)
		return 0;
	room = found.strings_bytes - found.name < bytes - 1 ? found.strings_bytes - found.name : bytes - 1;
	got = pread(fd, out, (size_t)room, (off_t)(found.strings + found.name));
	out[got > 0 ? got : 0] = '\0';
	return strlen(out);
}
