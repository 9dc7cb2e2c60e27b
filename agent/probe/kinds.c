/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/kinds.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/dependency_table.h"

/* DIR/lib/lifesign of DIR/bin/program; the self-contained tarball has its loader, which runs us, in there. */
static bool find_modules(char *out, size_t bytes)
{
	char self[PATH_MAX];
	char *slash;

	if (!realpath("/proc/self/exe", self) || !(slash = strrchr(self, '/')))
		return false;
	*slash = 0;
	if (!strncmp(slash + 1, "ld-linux", 8))
		return snprintf(out, bytes, "%s", self) < (int)bytes;
	slash = strrchr(self, '/');
	if (!slash)
		return false;
	*slash = 0;
	return snprintf(out, bytes, "%s/lib/lifesign", self) < (int)bytes;
}

const struct probe_kind *kinds_load(enum dependency_kind kind, const char *modules, char *why, size_t why_bytes)
{
	char directory[PATH_MAX], path[PATH_MAX + 64];
	const struct probe_kind *found;
	void *module;

	if (!modules) {
		if (!find_modules(directory, sizeof(directory))) {
			(void)snprintf(why, why_bytes, "the program does not know where it lies");
			return NULL;
		}
		modules = directory;
	}
	(void)snprintf(path, sizeof(path), "%s/probe_%s.so", modules, dependency_kinds[kind].name); /* cut: not found */
	module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	found = module ? dlsym(module, "probe_kind") : NULL;
	if (!found || strcmp(found->name, dependency_kinds[kind].name)) {
		(void)snprintf(why, why_bytes, "kind %s cannot be loaded: %s", dependency_kinds[kind].name,
			module ? "it is another kind" : dlerror()); /* cut when long */
		return NULL;
	}
	return found;
}
