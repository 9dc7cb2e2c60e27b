/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/view.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/segment_layout.h"
#include "lifesign/segment.h"

static bool is_power_of_two(uint32_t value)
{
	return value && !(value & (value - 1));
}

static bool table_fits(uint64_t offset, uint32_t count, uint32_t bytes, uint32_t least, const struct segment_header *header)
{
	if (!is_power_of_two(count) || count > SEGMENT_SLOTS_MAX || bytes < least || bytes > 4096 || bytes % 8)
		return false;
	return offset % 8 == 0 && offset >= header->header_bytes && offset <= header->segment_bytes &&
	       (uint64_t)count * bytes <= header->segment_bytes - offset;
}

static bool tables_overlap(const struct segment_header *header)
{
	uint64_t processes = (uint64_t)header->process_count * header->process_bytes;
	uint64_t slots = (uint64_t)header->slot_count * header->slot_bytes;

	return header->process_offset < header->slot_offset + slots && header->slot_offset < header->process_offset + processes;
}

/* Every size once, against what the kernel says of the file; afterwards the header is not trusted again. */
static int check_header(struct view *view, const struct segment_header *header)
{
	if (header->magic != SEGMENT_MAGIC || header->abi_major != SEGMENT_ABI_MAJOR)
		return -EPROTO;
	if (header->header_bytes < SEGMENT_HEADER_BYTES || header->segment_bytes > view->bytes)
		return -EPROTO;
	if (!table_fits(header->slot_offset, header->slot_count, header->slot_bytes, SEGMENT_SLOT_BYTES, header))
		return -EPROTO;
	if (!table_fits(header->process_offset, header->process_count, header->process_bytes, SEGMENT_PROCESS_BYTES, header))
		return -EPROTO;
	if (tables_overlap(header))
		return -EPROTO;
	view->slot_count = header->slot_count;
	view->slot_bytes = header->slot_bytes;
	view->slot_offset = header->slot_offset;
	view->process_count = header->process_count;
	view->process_bytes = header->process_bytes;
	view->process_offset = header->process_offset;
	return 0;
}

static int map_memory(struct view *view, int fd)
{
	struct stat status;
	int seals = fcntl(fd, F_GET_SEALS);
	void *base;

	if (seals < 0 || !(seals & F_SEAL_SHRINK)) /* a file that can shrink would kill us by SIGBUS */
		return seals < 0 ? -errno : -EPROTO;
	if (fstat(fd, &status) < 0)
		return -errno;
	if (status.st_size < SEGMENT_HEADER_BYTES)
		return -EPROTO;
	base = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		return -errno;
	*view = (struct view){.base = base, .bytes = (size_t)status.st_size};
	return 0;
}

static int read_header(struct view *view)
{
	struct segment_header header;
	int ret;

	memcpy(&header, view->base, sizeof(header));
	ret = check_header(view, &header);
	if (ret < 0)
		view_close(view);
	return ret;
}

int view_open(struct view *view, int fd)
{
	int ret = map_memory(view, fd);

	return ret < 0 ? ret : read_header(view);
}

int view_open_own(struct view *view, int fd, uint32_t slots)
{
	const struct segment_layout layout = segment_layout(slots);
	int ret = map_memory(view, fd);

	if (ret < 0 || view->bytes != layout.bytes)
		return ret < 0 ? ret : read_header(view);
	view->slot_count = layout.slot_count;
	view->slot_bytes = SEGMENT_SLOT_BYTES;
	view->slot_offset = layout.slot_offset;
	view->process_count = layout.process_count;
	view->process_bytes = SEGMENT_PROCESS_BYTES;
	view->process_offset = layout.process_offset;
	return 0;
}

void view_close(struct view *view)
{
	if (view->base)
		munmap((void *)(uintptr_t)view->base, view->bytes);
	*view = (struct view){0};
}

static uint64_t load(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE); /* pairs with the shim's release store of `call` */
}

static void copy_moment(const struct segment_slot *slot, struct slot_record *out)
{
	out->claim = load(&slot->claim);
	out->entries = load(&slot->entries);
	out->call = load(&slot->call);
	out->object = slot->object;
	out->extra = slot->extra;
	out->caller = slot->caller;
	out->container = slot->container;
}

static void copy_name(const struct segment_slot *slot, char *out)
{
	memcpy(out, slot->name, SEGMENT_NAME_BYTES);
	out[SEGMENT_NAME_BYTES - 1] = '\0';
}

void view_slot_name(const struct view *view, uint32_t index, char *out)
{
	copy_name(view_slot_at(view, index), out);
}

static void copy_thread(const struct segment_slot *slot, struct slot_record *out)
{
	out->pid = (pid_t)(out->claim & UINT32_MAX);
	out->tid = (pid_t)slot->tid;
	out->process = slot->process;
	out->stamp = slot->stamp;
	out->base = slot->base;
	out->start_routine = slot->start_routine;
	copy_name(slot, out->name);
}

static bool is_torn(const struct segment_slot *slot, const struct slot_record *record)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE); /* the words are read again after the copy */
	return load(&slot->claim) != record->claim || load(&slot->entries) != record->entries ||
	       load(&slot->call) != record->call;
}

bool view_slot(const struct view *view, uint32_t index, struct slot_record *out)
{
	const struct segment_slot *slot = view_slot_at(view, index);

	copy_moment(slot, out);
	copy_thread(slot, out);
	out->torn = is_torn(slot, out);
	return out->claim != 0;
}

void view_slot_again(const struct view *view, uint32_t index, struct slot_record *record)
{
	const struct segment_slot *slot = view_slot_at(view, index);

	copy_moment(slot, record);
	record->torn = is_torn(slot, record);
}

bool view_process(const struct view *view, uint32_t index, struct process_record *out)
{
	const struct segment_process *process;

	index &= view->process_count - 1;
	process = (const void *)(view->base + view->process_offset + (size_t)index * view->process_bytes);
	out->claim = load(&process->claim);
	if (!out->claim)
		return false;
	out->pid = (pid_t)(out->claim & UINT32_MAX);
	out->parent = (pid_t)process->parent;
	out->stamp = process->stamp;
	out->libc = process->libc;
	out->flags = process->flags;
	out->missing = process->missing;
	out->queue_depth = process->queue_depth;
	out->witness = process->witness;
	return true;
}

void view_counters(const struct view *view, struct segment_counters *out)
{
	const struct segment_header *header = (const void *)view->base;

	out->started = load(&header->threads_started);
	out->ended = load(&header->threads_ended);
	out->refused = load(&header->threads_refused) + load(&header->processes_refused); /* a process has a thread */
}
