/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "cli/commands.h"
#include "lifesign/segment.h"

int version_main(int argc, char **argv)
{
	struct cli_words words;
	int status = cli_read_words(&words, argc, argv);

	if (status >= 0)
		return status;
	if (words.operands) {
		cli_complain("version takes no words; see 'lifesign help version'");
		return EXIT_USAGE;
	}
	printf("lifesign " LS_VERSION "\n");
	printf("compiler %s, segment layout %d.%d, linux %s\n", __VERSION__, SEGMENT_ABI_MAJOR,
		SEGMENT_ABI_MINOR, sizeof(void *) == 8 ? "64 bit" : "32 bit");
	return 0;
}
