/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes where an ELF file or a line of maps should be: a name that ends, or none; never a crash or a hang.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "watch/file_locks.h"
#include "watch/futexes.h"
#include "watch/symbols.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void name_in(int fd, uint64_t offset)
{
	char name[SYMBOLS_NAME];
	size_t length = symbols_elf_name(fd, offset, name, sizeof(name));

	if (length >= sizeof(name) || (length && strlen(name) != length))
		abort();
}

static void read_elf(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	for (uint64_t offset = 0; offset <= 0x40; offset += 8)
		name_in(fd, offset);
	name_in(fd, UINT64_MAX);
	(void)symbols_elf_extent(fd); /* any will do */
	close(fd);
}

static void read_text(const uint8_t *data, size_t size)
{
	struct symbols_mapping mapping;
	char *text = strndup((const char *)data, size);

	if (!text)
		abort();
	(void)symbols_parse_mapping(text, &mapping); /* any answer will do */
	(void)file_locks_owner_in(text, FILE_LOCK_POSIX, 7, 0);
	free(text);
}

static void read_futex(const uint8_t *data, size_t size)
{
	struct futex_sight sight = {.most_tid = 32768, .threads = 4};
	struct futex_facts facts;

	if (size < sizeof(sight.bytes) + 12)
		return;
	memcpy(sight.bytes, data, sizeof(sight.bytes));
	memcpy(&sight.op, data + sizeof(sight.bytes), 4);
	memcpy(&sight.value, data + sizeof(sight.bytes) + 4, 4);
	sight.address = 0x1000 + (data[sizeof(sight.bytes) + 8] & 0xfcU);
	sight.is_musl = data[sizeof(sight.bytes) + 9] & 1;
	futexes_tell(&sight, &facts);
	if (facts.owner < 0 || (facts.kind == FUTEX_MUTEX && facts.owner == 0))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_elf(data, size);
	read_text(data, size);
	read_futex(data, size);
	return 0;
}
