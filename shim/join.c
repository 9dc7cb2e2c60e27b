/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Raw system calls only: this runs before main, perhaps before other libraries' constructors, and nothing
 * of it may be seen by the service. A process under seccomp that is its own doing is left alone before
 * anything is tried that ld.so has not done already (open, read, close).
 */
#include "join.h"

#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "lifesign/join.h"
#include "near.h"
#include "raw.h"

#define JOIN_MS 20        /* the whole hand-over may delay a start by this */
#define STATUS_BYTES 4096 /* /proc/self/status has about 1500 */
#define FIRST_FD 3        /* 0 to 2 belong to the service even when it closed them */
#define NEW_SOCKET_MODE 2 /* SECCOMP_MODE_FILTER */

/* The number behind `word` in a text, -1 without it. */
static long number_after(const char *text, const char *word)
{
	for (; *text; text++) {
		size_t i = 0;

		while (word[i] && text[i] == word[i])
			i++;
		if (word[i])
			continue;
		long value = 0;

		for (text += i; *text == '\t' || *text == ' '; text++)
			;
		for (; *text >= '0' && *text <= '9'; text++)
			value = value * 10 + (*text - '0');
		return value;
	}
	return -1;
}

struct filters {
	long mode;  /* 0 none; -1 not known */
	long count; /* -1: kernels before 5.9 do not tell */
};

static struct filters filters_of(const char *status_file)
{
	char status[STATUS_BYTES];
	long fd = RAW4(openat, AT_FDCWD, status_file, O_RDONLY | O_CLOEXEC, 0);

	if (fd < 0)
		return (struct filters){-1, -1};
	long bytes = RAW3(read, fd, status, sizeof(status) - 1);

	RAW1(close, fd);
	status[bytes > 0 ? bytes : 0] = 0;
	return (struct filters){number_after(status, "\nSeccomp:"), number_after(status, "\nSeccomp_filters:")};
}

/* True if this process runs under a seccomp filter that its supervisor does not have too. */
static bool is_confined(long expected_filters)
{
	struct filters own = filters_of("/proc/self/status");

	if (own.mode < 0)
		return expected_filters == 0; /* no /proc: only a caller that knows can say that all is well */
	if (own.mode == 0)
		return false;
	return own.mode != NEW_SOCKET_MODE || (own.count < 0 ? 1 : own.count) > expected_filters;
}

/*
 * Nobody who starts us knows the agent's filters. What pid 1 of our pid namespace has, or we as pid 1, is the
 * profile of a container, which lets its services talk over sockets; a process with more has its own.
 */
static bool is_confined_in_container(void)
{
	struct filters own = filters_of("/proc/self/status"), first;

	if (own.mode == 0)
		return false;
	if (own.mode != NEW_SOCKET_MODE)
		return true;
	if (RAW0(getpid) == 1)
		return false;
	first = filters_of("/proc/1/status");
	/* not told before Linux 5.9: a filter of the service's own could be among them */
	return first.mode != NEW_SOCKET_MODE || own.count < 0 || own.count > first.count;
}

static long milliseconds(void)
{
	struct timespec now = {0, 0};

	RAW2(clock_gettime, CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The same descriptor outside of 0 to 2. */
static long lift(long fd)
{
	if (fd < 0 || fd >= FIRST_FD)
		return fd;
	long higher = RAW3(fcntl, fd, F_DUPFD_CLOEXEC, FIRST_FD);

	RAW1(close, fd);
	return higher;
}

static void limit(long fd, int option, long milliseconds_left)
{
	struct timeval time = {0, (milliseconds_left > 0 ? milliseconds_left : 1) * 1000};

	RAW5(setsockopt, fd, SOL_SOCKET, option, &time, sizeof(time));
}

static long connect_to(const struct sockaddr_un *address, size_t path_bytes)
{
	long fd = lift(RAW3(socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));

	if (fd < 0)
		return fd;
	limit(fd, SO_SNDTIMEO, JOIN_MS);
	long result = RAW3(connect, fd, address, offsetof(struct sockaddr_un, sun_path) + path_bytes);

	if (result < 0) {
		RAW1(close, fd);
		return result;
	}
	return fd;
}

/* The memfd that comes with a grant, negative without one. */
static long receive(long fd, struct segment_grant *grant)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {.bytes = {0}};
	struct iovec part = {grant, sizeof(*grant)};
	/* room for one descriptor exactly: padding would hold a second, which would stay open */
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_LEN(sizeof(int))};
	long bytes = RAW3(recvmsg, fd, &message, MSG_CMSG_CLOEXEC);

	if (bytes < 0 || message.msg_controllen < CMSG_LEN(sizeof(int)) ||
		control.header.cmsg_level != SOL_SOCKET || control.header.cmsg_type != SCM_RIGHTS)
		return -1;
	long memory = lift(*(int *)CMSG_DATA(&control.header));

	if (memory >= 0 && (bytes != sizeof(*grant) || grant->magic != SEGMENT_MAGIC ||
				   (message.msg_flags & MSG_CTRUNC))) {
		RAW1(close, memory);
		return -1;
	}
	return memory;
}

static bool is_table(uint64_t offset, uint64_t count, uint64_t size, uint64_t bytes, uint64_t most)
{
	return count && count <= most && !(count & (count - 1)) && offset >= SEGMENT_HEADER_BYTES &&
	       offset % size == 0 && offset <= bytes && count * size <= bytes - offset;
}

bool join_check(void *base, uint64_t bytes, struct shim_segment *segment)
{
	struct segment_header *header = base;

	/* acquire: magic is stored last */
	if (bytes < SEGMENT_HEADER_BYTES || __atomic_load_n(&header->magic, __ATOMIC_ACQUIRE) != SEGMENT_MAGIC)
		return false;
	uint32_t process_count = header->process_count, slot_count = header->slot_count;
	uint64_t process_offset = header->process_offset, slot_offset = header->slot_offset;

	if (header->abi_major != SEGMENT_ABI_MAJOR || header->process_bytes != SEGMENT_PROCESS_BYTES ||
		header->slot_bytes != SEGMENT_SLOT_BYTES || header->segment_bytes != bytes)
		return false;
	if (!is_table(process_offset, process_count, SEGMENT_PROCESS_BYTES, bytes, SEGMENT_SLOTS_MAX) ||
		!is_table(slot_offset, slot_count, SEGMENT_SLOT_BYTES, bytes, SEGMENT_SLOTS_MAX) ||
		process_offset + (uint64_t)process_count * SEGMENT_PROCESS_BYTES > slot_offset)
		return false;
	segment->processes = (struct segment_process *)((char *)base + process_offset);
	segment->slots = (struct segment_slot *)((char *)base + slot_offset);
	segment->process_mask = process_count - 1;
	segment->slot_mask = slot_count - 1;
	segment->header = header;
	return true;
}

/* Sealed, so that nobody can make the mapping end under the service's feet (SIGBUS). */
static bool map(long memory, uint64_t bytes, struct shim_segment *segment)
{
	long seals = RAW2(fcntl, memory, F_GET_SEALS);

	if (seals < 0 || !(seals & F_SEAL_SHRINK) || (uint64_t)RAW3(lseek, memory, 0, SEEK_END) != bytes)
		return false;
	long base = RAW6(mmap, 0, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);

	if (base < 0 && base > -4096)
		return false;
	if (join_check((void *)base, bytes, segment))
		return true;
	RAW2(munmap, base, bytes);
	return false;
}

/* What near_open found is the segment that was meant, or it is let go. */
static bool join_near(const struct near_place *place, struct shim_segment *segment, uint32_t *pid)
{
	long memory = lift(near_open(place));

	if (memory < 0)
		return false;
	long bytes = RAW3(lseek, memory, 0, SEEK_END);
	bool mapped = bytes > 0 && map(memory, (uint64_t)bytes, segment);

	RAW1(close, memory);
	if (!mapped)
		return false;
	if (segment->header->created == place->created && segment->header->supervisor == place->supervisor) {
		*pid = (uint32_t)RAW0(getpid);
		return true;
	}
	RAW2(munmap, segment->header, bytes);
	segment->header = NULL;
	return false;
}

/* Appends a text at `at`; returns the place behind it, 0 when it does not fit. */
static size_t append(struct sockaddr_un *address, size_t at, const char *text)
{
	for (; *text && at < sizeof(address->sun_path); text++)
		address->sun_path[at++] = *text;
	return *text ? 0 : at;
}

/* Asks who listens there for a segment; with a hello where the other side must be told who asks. */
static bool ask(const struct sockaddr_un *address, size_t path_bytes, const struct join_hello *hello,
	struct shim_segment *segment, uint32_t *pid)
{
	struct segment_grant grant = {0};
	long start = milliseconds();
	long fd = connect_to(address, path_bytes);

	if (fd < 0)
		return false;
	if (hello && RAW6(sendto, fd, hello, sizeof(*hello), MSG_NOSIGNAL, 0, 0) != sizeof(*hello)) {
		RAW1(close, fd);
		return false;
	}
	limit(fd, SO_RCVTIMEO, JOIN_MS - (milliseconds() - start));
	long memory = receive(fd, &grant);

	RAW1(close, fd);
	if (memory < 0)
		return false;
	bool mapped = map(memory, grant.bytes, segment);

	RAW1(close, memory);
	*pid = grant.pid;
	return mapped;
}

bool join_segment(const char *name, struct shim_segment *segment, uint32_t *pid)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct near_place place;

	if (*name++ != '@')
		return false;
	size_t end = append(&address, 1, name); /* an abstract name starts behind a NUL */

	near_parse(name, &place);
	if (end <= 1 || is_confined(place.filters))
		return false;
	return join_near(&place, segment, pid) || ask(&address, end, NULL, segment, pid);
}

/* The part behind the last slash, cut. */
static void copy_base(char out[JOIN_TEXT], const char *path)
{
	const char *base = path;
	size_t i = 0;

	for (const char *at = path; *at; at++)
		base = *at == '/' && at[1] ? at + 1 : base;
	for (; i < JOIN_TEXT - 1 && base[i]; i++)
		out[i] = base[i];
	out[i] = 0;
}

bool join_directory(const char *directory, const char *service, const char *program, struct shim_segment *segment, uint32_t *pid)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct join_hello hello = {.magic = JOIN_MAGIC, .pid = (uint32_t)RAW0(getpid), .parent = (uint32_t)RAW0(getppid)};
	size_t end = *directory == '/' ? append(&address, 0, directory) : 0;

	if (end)
		end = append(&address, end, SEGMENT_JOIN_PATH);
	if (!end || end >= sizeof(address.sun_path) || is_confined_in_container())
		return false;
	copy_base(hello.service, service ? service : "");
	copy_base(hello.program, program ? program : "");
	hello.pid_namespace = near_namespace();
	return ask(&address, end + 1, &hello, segment, pid);
}
