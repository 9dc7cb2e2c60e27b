/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/termination.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLACE "/dev/termination-log"
enum { LINE_BYTES = 1024, FILE_BYTES = 4096 }; /* what the kubelet reads; a service that wrote more wants its own seen */

void termination_note(const char *service, const char *reason, const char *words)
{
	int fd = open(PLACE, O_WRONLY | O_APPEND | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
	char line[LINE_BYTES];
	struct stat status;

	if (fd < 0)
		return;
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size < FILE_BYTES - LINE_BYTES) {
		int bytes = snprintf(line, sizeof(line), "lifesign: %s is dead (%s)%s%s\n", service, reason, words[0] ? ": " : "", words);

		(void)!write(fd, line, bytes < LINE_BYTES ? (size_t)bytes : LINE_BYTES - 1); /* nobody to tell that it failed */
	}
	close(fd);
}
