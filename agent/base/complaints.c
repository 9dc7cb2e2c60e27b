/* SPDX-License-Identifier: Apache-2.0 */
#include "base/complaints.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"

void complaints_add(struct complaints *list, const char *format, ...)
{
	va_list arguments;

	if (list->count == COMPLAINTS) {
		list->unseen++;
		return;
	}
	va_start(arguments, format);
	(void)vsnprintf(list->text[list->count], COMPLAINT_TEXT, format, arguments); /* cut when too long */
	va_end(arguments);
	text_sanitize(list->text[list->count++]);
}

void complaints_summarize(const struct complaints *list, char *out, size_t bytes)
{
	unsigned more = list->count + list->unseen;

	if (more <= 1)
		(void)snprintf(out, bytes, "%s", more ? list->text[0] : ""); /* cut when too long */
	else
		(void)snprintf(out, bytes, "%s (and %u more)", list->text[0], more - 1);
	text_sanitize(out); /* the cut may have split a character */
}
