/* SPDX-License-Identifier: Apache-2.0 */
#include "supervise/shim_file.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "supervise/environment.h"

#define SHIM_NAME "liblifesign.so"

/* Our own machine: what runs us runs, in nearly all cases, the service. */
#if defined(__x86_64__)
#define OUR_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OUR_MACHINE EM_AARCH64
#else
#define OUR_MACHINE EM_NONE /* not compared */
#endif

/* Below the directory of the program, or of what was unpacked (LIFESIGN_HOME). */
static const char *const beside_program[] = {SHIM_NAME, "../lib/" SHIM_NAME, "../lib/lifesign/" SHIM_NAME};
static const char *const below_home[] = {"lib/" SHIM_NAME, "lib/lifesign/" SHIM_NAME};

static bool join(char path[PATH_MAX], const char *directory, const char *name)
{
	return snprintf(path, PATH_MAX, "%s/%s", directory, name) < PATH_MAX && access(path, F_OK) == 0;
}

/* Where the program lies, whatever links led here; without /proc as it was started. */
static bool find_program(char directory[PATH_MAX])
{
	char self[PATH_MAX];
	const char *started_as = (const char *)getauxval(AT_EXECFN);

	if (!realpath("/proc/self/exe", self) && (!started_as || !realpath(started_as, self)))
		return false;
	(void)snprintf(directory, PATH_MAX, "%s", dirname(self));
	return true;
}

static bool find(char path[PATH_MAX])
{
	const char *home = environment_find(environ, "LIFESIGN_HOME");
	char directory[PATH_MAX];

	for (size_t i = 0; home && i < sizeof(below_home) / sizeof(below_home[0]); i++) {
		if (join(path, home, below_home[i]))
			return true;
	}
	if (!find_program(directory))
		return false;
	for (size_t i = 0; i < sizeof(beside_program) / sizeof(beside_program[0]); i++) {
		if (join(path, directory, beside_program[i]))
			return true;
	}
	return false;
}

/* COMMAND may change its directory, its children need the file all the same. Links stay: upgrades use them. */
static int make_absolute(const char *asked, char path[PATH_MAX])
{
	char here[PATH_MAX];

	if (asked[0] == '/')
		return snprintf(path, PATH_MAX, "%s", asked) < PATH_MAX ? 0 : -ENAMETOOLONG;
	if (!getcwd(here, sizeof(here)))
		return -errno;
	return snprintf(path, PATH_MAX, "%s/%s", here, asked) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static const char *check_header(const Elf64_Ehdr *header)
{
	if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_type != ET_DYN)
		return "it is no shared object";
	if (OUR_MACHINE != EM_NONE && (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_machine != OUR_MACHINE))
		return "it was built for another machine";
	return NULL;
}

/* NULL when it can be preloaded, else what is wrong. */
static const char *check(const char *path)
{
	Elf64_Ehdr header = {0};
	const char *wrong;
	int fd;

	if (strpbrk(path, ": \t\n$"))
		return "LD_PRELOAD cannot name a path with a blank, colon or dollar sign";
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return strerror(errno);
	wrong = read(fd, &header, sizeof(header)) == (ssize_t)sizeof(header) ? check_header(&header) : "it is no shared object";
	close(fd);
	return wrong;
}

int shim_file_find(const char *asked, char path[PATH_MAX], struct failure *why)
{
	char found[PATH_MAX];
	const char *wrong;

	if (!*asked && !find(found))
		return failure_set(why, FAILURE_CONFIG,
			"cannot find " SHIM_NAME " beside lifesign nor in ../lib: install it there, or name it by --shim FILE");
	if (make_absolute(*asked ? asked : found, path) < 0)
		return failure_set(why, FAILURE_CONFIG, "the path of %s is too long", *asked ? asked : SHIM_NAME);
	wrong = check(path);
	if (wrong)
		return failure_set(why, FAILURE_CONFIG, "cannot preload %s: %s; name the right file by --shim FILE", path, wrong);
	return 0;
}
