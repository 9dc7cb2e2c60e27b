/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/notebook.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lifesign/segment.h"

enum { PAGE = 4096 };

static size_t round_up(size_t bytes)
{
	return (bytes + PAGE - 1) / PAGE * PAGE;
}

static size_t core_offset(unsigned copy)
{
	return NOTEBOOK_HEAD_BYTES + copy * round_up(sizeof(struct notebook_core));
}

static size_t tracks_offset(void)
{
	return core_offset(2);
}

size_t notebook_bytes(unsigned slots)
{
	return tracks_offset() + round_up(slots * sizeof(struct notebook_track));
}

int notebook_create(unsigned slots)
{
	int fd = memfd_create("lifesign-notebook", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct notebook_head head = {.magic = NOTEBOOK_MAGIC, .version = NOTEBOOK_VERSION, .slots = slots};

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)notebook_bytes(slots)) < 0 || pwrite(fd, &head, sizeof(head), 0) != sizeof(head) ||
		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		int error = errno;

		close(fd);
		return -error;
	}
	return fd;
}

/* FNV-1a over everything behind the checksum, by words: the struct is a whole number of them. */
static uint64_t core_checksum(const struct notebook_core *core)
{
	const unsigned char *from = (const unsigned char *)&core->main_started;
	size_t bytes = sizeof(*core) - offsetof(struct notebook_core, main_started);
	uint64_t sum = UINT64_C(0xcbf29ce484222325) ^ core->sequence, word;

	_Static_assert(sizeof(struct notebook_core) % 8 == 0, "the checksum goes by words");
	for (size_t i = 0; i < bytes; i += sizeof(word)) {
		memcpy(&word, from + i, sizeof(word));
		sum = (sum ^ word) * UINT64_C(0x100000001b3);
	}
	return sum;
}

static bool load_copy(const struct notebook *notebook, unsigned copy, struct notebook_core *out)
{
	memcpy(out, notebook->base + core_offset(copy), sizeof(*out));
	return out->sequence != 0 && out->checksum == core_checksum(out);
}

static void load_core(struct notebook *notebook)
{
	static struct notebook_core other; /* 8 KiB: too large for a stack that is shared with the tick */
	bool first = load_copy(notebook, 0, &notebook->core), second = load_copy(notebook, 1, &other);

	if (second && (!first || other.sequence > notebook->core.sequence))
		notebook->core = other;
	else if (!first)
		memset(&notebook->core, 0, sizeof(notebook->core));
}

/* The file is sealed: its size is what nobody can have written over. 0 = no notebook's. */
static uint32_t slots_of_size(size_t bytes)
{
	for (uint32_t slots = SEGMENT_SLOTS_MIN; slots <= SEGMENT_SLOTS_MAX; slots *= 2) {
		if (notebook_bytes(slots) == bytes)
			return slots;
	}
	return 0;
}

/* A notebook whose first page is another's, or was written over, begins anew. */
static void mend(struct notebook *notebook)
{
	struct notebook_head *head = notebook->head;

	if (head->magic == NOTEBOOK_MAGIC && head->version == NOTEBOOK_VERSION && head->slots == notebook->slots)
		return;
	memset(notebook->base, 0, notebook->bytes);
	*head = (struct notebook_head){.magic = NOTEBOOK_MAGIC, .version = NOTEBOOK_VERSION, .slots = notebook->slots};
}

int notebook_open(struct notebook *notebook, int fd)
{
	struct stat status;
	uint32_t slots;

	if (fstat(fd, &status) < 0)
		return -errno;
	slots = slots_of_size((size_t)status.st_size);
	if (!slots)
		return -EPROTO;
	notebook->bytes = (size_t)status.st_size;
	notebook->base = mmap(NULL, notebook->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (notebook->base == MAP_FAILED) {
		notebook->base = NULL;
		return -errno;
	}
	notebook->head = (struct notebook_head *)(void *)notebook->base;
	notebook->tracks = (struct notebook_track *)(void *)(notebook->base + tracks_offset());
	notebook->slots = slots;
	mend(notebook);
	load_core(notebook);
	return 0;
}

void notebook_close(struct notebook *notebook)
{
	if (notebook->base)
		munmap(notebook->base, notebook->bytes);
	notebook->base = NULL;
}

void notebook_save(struct notebook *notebook)
{
	struct notebook_core *core = &notebook->core;
	unsigned char *to;

	core->sequence++;
	core->checksum = core_checksum(core);
	to = notebook->base + core_offset(core->sequence & 1);
	memcpy(to, core, sizeof(*core)); /* killed in here: this copy does not check, the other one still does */
}

void notebook_beat(struct notebook *notebook)
{
	__atomic_fetch_add(&notebook->head->beat, 1, __ATOMIC_RELEASE); /* read by the supervisor, no other data rides on it */
}

static uint64_t mix(uint64_t sum, uint64_t word)
{
	return (sum ^ word) * UINT64_C(0x9e3779b97f4a7c15);
}

static uint64_t track_check(const struct notebook_track *track)
{
	uint64_t sum = mix(1, track->claim);

	sum = mix(sum, track->stamp ^ track->entries);
	sum = mix(sum, track->call ^ track->caller);
	sum = mix(sum, (uint64_t)track->since ^ track->role);
	sum = mix(sum, track->noted);
	for (unsigned i = 0; i < HOME_SITES; i++)
		sum = mix(sum, track->home.sites[i].caller ^ (uint64_t)track->home.sites[i].op << 32 ^
				       track->home.sites[i].returns);
	return sum | 1; /* never the mark of an open track */
}

bool notebook_track_is_valid(const struct notebook_track *track)
{
	return track->claim != 0 && track->check == track_check(track);
}

void notebook_track_open(struct notebook_track *track)
{
	__atomic_store_n(&track->check, 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE); /* what is written from here on is not seen before the 0; partner: none
						  * but the order in which a killed agent's stores reach memory */
}

void notebook_track_close(struct notebook_track *track)
{
	__atomic_store_n(&track->check, track_check(track), __ATOMIC_RELEASE);
}

void notebook_add_event(struct notebook *notebook, const struct notebook_event *event)
{
	struct notebook_core *core = &notebook->core;

	core->events[core->event_next % NOTEBOOK_EVENTS] = *event;
	core->event_next = (core->event_next + 1) % NOTEBOOK_EVENTS;
	core->event_total++;
}
