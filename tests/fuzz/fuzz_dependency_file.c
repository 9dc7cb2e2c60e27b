/* SPDX-License-Identifier: Apache-2.0 */
/* The dependencies of a configuration file: whatever it says, it is taken or complained of. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/dependency_set.h"
#include "base/dependency_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	static const char *const environment[] = {"X=a/b@c%", NULL};
	static struct complaints why;
	struct config_document document;
	struct dependency_set *set;
	char shown[256];

	memset(&why, 0, sizeof(why));
	(void)config_read_text("f", (const char *)bytes, count, environment, &document, &why);
	set = dependency_set_of(&document, &why);
	if (!set && !why.count)
		abort(); /* refused without a word */
	if (set && !dependency_set_check(set, set->bytes))
		abort();
	for (unsigned i = 0; set && i < set->count; i++) {
		dependency_show_url(&set->list[i], shown, sizeof(shown));
		if (*set->list[i].at.password && strlen(set->list[i].at.password) > 12 && strstr(shown, set->list[i].at.password))
			abort(); /* a secret is shown */
	}
	free(set);
	config_free(&document);
	return 0;
}
