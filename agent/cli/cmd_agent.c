/* SPDX-License-Identifier: Apache-2.0 */
/* `lifesign agent`: reads the words, then serves whoever joins through DIR. */
#include "cli/commands.h"

#include <string.h>

#include "base/settings.h"
#include "supervise/host.h"

int agent_command_main(int argc, char **argv)
{
	static struct settings settings; /* owner: main; the log keeps a pointer to the service's name */
	struct failure why = {0};
	int first, status = cli_load_settings(&settings, argc, argv, &first);

	if (status >= 0)
		return status;
	if (first < argc) {
		cli_complain("'%s': the agent starts no COMMAND, services join it; see 'lifesign help agent'", argv[first]);
		return EXIT_USAGE;
	}
	if (!settings.service[0])
		settings_name_service(settings.service, "agent"); /* of the whole: DIR/agent.sock */
	status = log_start(settings.log_format, settings.log_level, settings.service, settings.log_file);
	if (status < 0) {
		cli_complain("cannot write the log %s: %s", settings.log_file, strerror(-status));
		return EXIT_CONFIG;
	}
	status = host_run(&settings, &why);
	if (why.status)
		cli_complain("%s", why.text);
	return why.status ? why.status : status;
}
