/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bin/lifesign and bin/lifesign-prober of the self-contained tarball: runs the program of its own name in
 * lib/lifesign by the loader and the libraries that lie beside it, so that the machine's own libc, if it has one, does not matter. Static for the same
 * reason: it must start where there is no loader at all.
 *
 * LD_PRELOAD and LD_AUDIT are meant for COMMAND and fit its libc, not ours: they travel to `run` under
 * other names. LIFESIGN_HOME tells the program where it is: /proc/self/exe is the loader there.
 * Failure: one line and 127, before anything was started.
 */
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

static const struct {
	const char *name, *travels_as;
} for_command[] = {
	{"LD_PRELOAD", "LIFESIGN_COMMAND_PRELOAD"},
	{"LD_AUDIT", "LIFESIGN_COMMAND_AUDIT"},
};

/* The directory that holds bin/ and lib/, whatever links led here, and what it was called there. 0 or -errno. */
static int find_home(char home[PATH_MAX], char name[NAME_MAX + 1])
{
	char self[PATH_MAX];
	const char *started_as = (const char *)getauxval(AT_EXECFN);

	/* without /proc the name it was started by has to do */
	if (!realpath("/proc/self/exe", self) && (!started_as || !realpath(started_as, self)))
		return -errno;
	snprintf(name, NAME_MAX + 1, "%s", strrchr(self, '/') + 1); /* an absolute path */
	snprintf(home, PATH_MAX, "%s", dirname(dirname(self)));
	return 0;
}

static int join(char path[PATH_MAX], const char *home, const char *rest)
{
	int length = snprintf(path, PATH_MAX, "%s/%s", strcmp(home, "/") ? home : "", rest);

	return length < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int set_environment(const char *home)
{
	int ret = setenv("LIFESIGN_HOME", home, 1);

	for (size_t i = 0; i < sizeof(for_command) / sizeof(*for_command); i++) {
		const char *value = getenv(for_command[i].name);

		ret |= value ? setenv(for_command[i].travels_as, value, 1) : unsetenv(for_command[i].travels_as);
		ret |= unsetenv(for_command[i].name);
	}
	return ret ? -ENOMEM : 0;
}

static int launch(int argc, char **argv, const char *home, const char *name)
{
	char loader[PATH_MAX], libraries[PATH_MAX], program[PATH_MAX];
	const char **words = calloc((size_t)argc + 8, sizeof(*words));
	int count = 0;

	if (!words)
		return -ENOMEM;
	if (join(loader, home, "lib/lifesign/ld-linux-x86-64.so.2") || join(libraries, home, "lib/lifesign") ||
		join(program, libraries, name))
		return -ENAMETOOLONG;
	words[count++] = loader;
	words[count++] = "--inhibit-cache";
	words[count++] = "--library-path";
	words[count++] = libraries;
	words[count++] = "--argv0";
	words[count++] = argc ? argv[0] : "lifesign";
	words[count++] = program;
	for (int i = 1; i < argc; i++)
		words[count++] = argv[i];
	execv(loader, (char *const *)words); /* changes none of them, its type is older than const */
	return -errno;
}

int main(int argc, char **argv)
{
	char home[PATH_MAX], name[NAME_MAX + 1];
	int ret = find_home(home, name);

	if (!ret)
		ret = set_environment(home);
	if (!ret)
		ret = launch(argc, argv, home, name);
	fprintf(stderr, "lifesign: cannot start lib/lifesign/lifesign beside %s (%s): unpack the whole archive\n",
		argc ? argv[0] : "bin/lifesign", strerror(-ret));
	return 127;
}
