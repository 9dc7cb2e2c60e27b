/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/config_down.h"

/* The complaints are what was asked for: they go to standard output. */
static int check_file(const char *path)
{
	struct complaints why;
	enum settings_result result = settings_check_file(path, (const char *const *)environ, &why);

	for (unsigned i = 0; i < why.count; i++)
		printf("%s\n", why.text[i]);
	if (why.unseen)
		printf("%s: … and %u more\n", path, why.unseen);
	if (result == SETTINGS_OK)
		printf("%s: ok\n", path);
	return result;
}

static int refuse(const char *what)
{
	cli_complain("%s; see 'lifesign help config'", what);
	return EXIT_USAGE;
}

int config_main(int argc, char **argv)
{
	struct cli_words words;
	int status = cli_read_words(&words, argc, argv);

	if (status >= 0)
		return status;
	if (words.operands == 1 && !strcmp(argv[1], "reference")) {
		settings_print_reference();
		return 0;
	}
	if (!words.operands || strcmp(argv[1], "check"))
		return refuse("config needs one of: check FILE, reference");
	if (words.operands == 1)
		return refuse("config check needs a FILE");
	status = 0;
	for (int i = 2; i <= words.operands; i++) {
		if (check_file(argv[i]))
			status = EXIT_CONFIG;
		else if (words.options[CONFIG_DOWN] && config_down(argv[i], words.options[CONFIG_DOWN]))
			status = EXIT_CONFIG;
	}
	return status;
}
