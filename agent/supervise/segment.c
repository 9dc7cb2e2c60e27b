/* SPDX-License-Identifier: Apache-2.0 */
#include "supervise/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/segment_layout.h"

/* Every page is there from the start: a full memory cannot kill a service by SIGBUS later. */
static int make_memory(size_t bytes)
{
	int fd = memfd_create("lifesign", MFD_CLOEXEC | MFD_ALLOW_SEALING), error;

	if (fd < 0)
		return -errno;
	if (fallocate(fd, 0, 0, (off_t)bytes) == 0 &&
		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		return fd;
	error = errno;
	close(fd);
	return -error;
}

/* Magic last: until then it is no segment for anybody. */
static void write_geometry(const struct segment *segment)
{
	const struct segment_layout layout = segment_layout(segment->slot_count);
	struct segment_header *header = segment->header;

	header->abi_major = SEGMENT_ABI_MAJOR;
	header->abi_minor = SEGMENT_ABI_MINOR;
	header->header_bytes = SEGMENT_HEADER_BYTES;
	header->process_bytes = SEGMENT_PROCESS_BYTES;
	header->process_count = layout.process_count;
	header->process_offset = layout.process_offset;
	header->slot_bytes = SEGMENT_SLOT_BYTES;
	header->slot_count = layout.slot_count;
	header->slot_offset = layout.slot_offset;
	header->segment_bytes = layout.bytes;
	header->created = segment->created;
	header->supervisor = segment->supervisor;
	__atomic_store_n(&header->magic, SEGMENT_MAGIC, __ATOMIC_RELEASE); /* partner: whoever maps it */
}

static void write_header(const struct segment *segment)
{
	struct segment_header *header = segment->header;

	header->boot_minus_mono = clock_boot_ns() - clock_mono_ns();
	write_geometry(segment);
}

static void lay_out(struct segment *segment, uint32_t slots)
{
	const struct segment_layout layout = segment_layout(slots);

	segment->slot_count = layout.slot_count;
	segment->process_count = layout.process_count;
	segment->bytes = layout.bytes;
	segment->supervisor = getpid();
}

static int map_tables(struct segment *segment)
{
	segment->header = mmap(NULL, segment->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, segment->fd, 0);
	if (segment->header == MAP_FAILED) {
		segment->header = NULL;
		return -errno;
	}
	segment->processes = (struct segment_process *)((char *)segment->header + SEGMENT_HEADER_BYTES);
	segment->slots = (struct segment_slot *)(segment->processes + segment->process_count);
	return 0;
}

int segment_make(struct segment *out, uint32_t slots)
{
	struct segment made = {.created = (uint64_t)clock_boot_ns()};
	int ret;

	lay_out(&made, slots);
	made.fd = make_memory(made.bytes);
	if (made.fd < 0)
		return made.fd;
	ret = map_tables(&made);
	if (ret < 0) {
		close(made.fd);
		return ret;
	}
	write_header(&made);
	*out = made;
	return 0;
}

int segment_adopt(struct segment *out, int fd, uint32_t slots, uint64_t created)
{
	struct segment found = {.fd = fd, .created = created};
	int seals = fcntl(fd, F_GET_SEALS), ret;
	struct stat status;

	if (slots < SEGMENT_SLOTS_MIN || slots > SEGMENT_SLOTS_MAX || (slots & (slots - 1)) || seals < 0 || !(seals & F_SEAL_SHRINK))
		return -EPROTO;
	lay_out(&found, slots);
	if (fstat(fd, &status) < 0 || (size_t)status.st_size != found.bytes)
		return -EPROTO;
	ret = map_tables(&found);
	if (ret < 0)
		return ret;
	if (found.header->magic != SEGMENT_MAGIC || found.header->abi_major != SEGMENT_ABI_MAJOR || found.header->created != created) {
		segment_unmap(&found);
		return -EPROTO;
	}
	*out = found;
	segment_keep_geometry(out);
	return 0;
}

void segment_unmap(struct segment *segment)
{
	if (segment->header)
		(void)munmap(segment->header, segment->bytes); /* ours: cannot fail */
	segment->header = NULL;
}

void segment_drop(struct segment *segment)
{
	segment_unmap(segment);
	if (segment->fd >= 0)
		close(segment->fd);
	*segment = (struct segment){.fd = -1};
}

void segment_keep_geometry(struct segment *segment)
{
	if (segment->fd >= 0)
		write_geometry(segment);
}

void segment_keep_clock(struct segment *segment, int64_t boot_minus_mono)
{
	uint64_t ahead;

	if (segment->fd < 0)
		return;
	ahead = (uint64_t)boot_minus_mono - (uint64_t)__atomic_load_n(&segment->header->boot_minus_mono, __ATOMIC_RELAXED);
	if (ahead + NS_PER_MS > 2 * NS_PER_MS) /* less, either way, is the time between two clocks read */
		__atomic_store_n(&segment->header->boot_minus_mono, boot_minus_mono, __ATOMIC_RELAXED);
}
