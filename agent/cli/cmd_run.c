/* SPDX-License-Identifier: Apache-2.0 */
/* `lifesign run`: reads the words, checks what can be checked before anything starts, then supervises. */
#include "cli/commands.h"

#include <string.h>

#include "base/settings.h"
#include "supervise/shim_file.h"
#include "supervise/supervise.h"

static int complain(const struct failure *why)
{
	cli_complain("%s", why->text);
	return why->status;
}

int run_main(int argc, char **argv)
{
	static struct settings settings; /* owner: main; the log keeps a pointer to the service's name */
	struct failure why = {0};
	char shim[PATH_MAX];
	int first, status = cli_load_settings(&settings, argc, argv, &first);

	if (status >= 0)
		return status;
	if (first >= argc || !argv[first][0]) {
		cli_complain("no COMMAND to run; see 'lifesign help run'");
		return EXIT_USAGE;
	}
	if (!settings.service[0])
		settings_name_service(settings.service, argv[first]);
	if (shim_file_find(settings.shim, shim, &why))
		return complain(&why);
	status = log_start(settings.log_format, settings.log_level, settings.service, settings.log_file);
	if (status < 0) {
		cli_complain("cannot write the log %s: %s", settings.log_file, strerror(-status));
		return EXIT_CONFIG;
	}
	status = supervise_run(&settings, shim, argv + first, &why);
	return why.status ? complain(&why) : status;
}
