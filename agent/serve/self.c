/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/self.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"

static bool read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length;

	if (fd < 0)
		return false;
	length = read(fd, text, size - 1);
	close(fd);
	text[length > 0 ? length : 0] = '\0';
	return length > 0;
}

static void measure_memory(struct self_usage *self)
{
	uint64_t pages, resident;
	double page = (double)sysconf(_SC_PAGESIZE);
	char text[128];

	if (!read_text("/proc/self/statm", text, sizeof text) ||
		sscanf(text, "%" SCNu64 " %" SCNu64, &pages, &resident) != 2)
		return;
	self->virtual_bytes = (double)pages * page;
	self->resident_bytes = (double)resident * page;
}

/* Field 22 of stat, in ticks since boot; the name in field 2 may hold spaces and parentheses. */
static void measure_start(struct self_usage *self)
{
	char text[1024];
	const char *at = NULL;

	if (read_text("/proc/self/stat", text, sizeof text))
		at = strrchr(text, ')');
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	if (at)
		self->start_seconds = (double)(clock_wall_ns() - clock_boot_ns()) / NS_PER_SECOND +
				      strtod(at, NULL) / (double)sysconf(_SC_CLK_TCK);
}

static void measure_cpu(struct self_usage *self)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage) == 0)
		self->cpu_seconds = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
				    (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void count_fds(struct self_usage *self)
{
	DIR *directory = opendir("/proc/self/fd");
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		self->max_fds = (double)limit.rlim_cur;
	if (!directory)
		return;
	self->open_fds = -1; /* the directory's own descriptor is no news */
	for (const struct dirent *entry; (entry = readdir(directory));)
		self->open_fds += entry->d_name[0] != '.';
	closedir(directory);
}

static const struct self_usage unknown = {NAN, NAN, NAN, NAN, NAN, NAN};

double self_resident_bytes(void)
{
	struct self_usage self = unknown;

	measure_memory(&self);
	return self.resident_bytes;
}

struct self_usage self_measure(void)
{
	struct self_usage self = unknown;

	measure_cpu(&self);
	measure_memory(&self);
	measure_start(&self);
	count_fds(&self);
	return self;
}
