/* SPDX-License-Identifier: Apache-2.0 */
/* build: rooms */
/*
 * Judges recordings of `lifesign run --record FILE` again and prints each change of what is said, with seconds
 * since the recording began.
 *   replay FILE…          0: the same as was said then; 1: not the same; 2: no recording
 *   replay --says FILE…   only what this build says of it, whatever was said then
 */
#include "replay.h"

#include <errno.h>

enum { LOOKS = 65536, PROCESSES = 2048 };

static unsigned char *read_file(const char *path, size_t *size)
{
	FILE *file = fopen(path, "rbe");
	unsigned char *bytes = NULL;
	size_t room = 0;

	*size = 0;
	while (file) {
		if (*size == room) {
			room = room ? room * 2 : 1 << 16;
			bytes = realloc(bytes, room);
			if (!bytes)
				abort();
		}
		size_t got = fread(bytes + *size, 1, room - *size, file);

		if (!got)
			break;
		*size += got;
	}
	if (file)
		fclose(file);
	return bytes;
}

static int replay_file(const char *path, bool says_only)
{
	static struct replay replay; /* owner: main; too large for a stack */
	size_t size;
	unsigned char *bytes = read_file(path, &size);

	replay = (struct replay){.max_looks = LOOKS, .max_processes = PROCESSES, .out = stdout, .says_only = says_only};
	if (bytes)
		replay_feed(&replay, bytes, size);
	free(bytes);
	replay_end(&replay);
	if (says_only)
		return replay.begins ? 0 : 2;
	printf("%s: %zu bytes, %u beginnings, %u ticks, %u steps of the ladder, %u compared, %u wrong, %u "
	       "gaps, %u torn, %u deaths%s\n",
		path, size, replay.begins, replay.ticks, replay.frames, replay.compared, replay.wrong,
		replay.gaps, replay.torn, replay.deaths, replay.ended ? ", full" : "");
	if (!replay.begins)
		return 2;
	return replay.wrong ? 1 : 0;
}

int main(int argc, char **argv)
{
	bool says_only = argc > 1 && strcmp(argv[1], "--says") == 0;
	int first = says_only ? 2 : 1, worst = argc > first ? 0 : 2;

	for (int i = first; i < argc; i++) {
		int ret = replay_file(argv[i], says_only);

		worst = ret > worst ? ret : worst;
	}
	return worst;
}
