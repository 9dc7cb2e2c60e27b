/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program of scenes needs: `PROGRAM SCENE` plays one, step by step: says "STEP TID" and waits for a
 * line. Both by syscall(2), which leaves the slot as the scene left it.
 */
#ifndef SHIM_STAGE_H
#define SHIM_STAGE_H

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef __GLIBC_PREREQ
#define __GLIBC_PREREQ(major, minor) 0 /* musl */
#endif

struct scene {
	const char *name;
	void (*play)(void);
};
#define SCENE(name)                                                                                            \
	{                                                                                                      \
#name, scene_##name                                                                            \
	}

static int silent[2]; /* a pipe that says nothing until a scene wants it */
static char byte_;

__attribute__((unused)) static void step(const char *name)
{
	char line[64];
	int bytes = snprintf(line, sizeof(line), "%s %ld\n", name, syscall(SYS_gettid));

	syscall(SYS_write, 1, line, bytes);
	syscall(SYS_read, 0, &byte_, 1);
}

static int play(const struct scene *scenes, size_t count, int words, char **arguments)
{
	if (words != 2 || pipe(silent))
		return 64;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(scenes[i].name, arguments[1]) == 0) {
			scenes[i].play();
			return 0;
		}
	}
	return 64;
}

#endif
