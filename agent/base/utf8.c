/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include <stdint.h>

/* Lead bytes and what they allow: RFC 3629, table 3-7 of Unicode (no surrogates, no overlong forms). */
static const struct {
	uint8_t first, last; /* lead byte */
	uint8_t low, high;   /* second byte */
	uint8_t bytes;
} leads[] = {
	{0xc2, 0xdf, 0x80, 0xbf, 2},
	{0xe0, 0xe0, 0xa0, 0xbf, 3},
	{0xe1, 0xec, 0x80, 0xbf, 3},
	{0xed, 0xed, 0x80, 0x9f, 3},
	{0xee, 0xef, 0x80, 0xbf, 3},
	{0xf0, 0xf0, 0x90, 0xbf, 4},
	{0xf1, 0xf3, 0x80, 0xbf, 4},
	{0xf4, 0xf4, 0x80, 0x8f, 4},
};

size_t utf8_character(const char *text, size_t left)
{
	const uint8_t *byte = (const uint8_t *)text;

	if (left == 0)
		return 0;
	if (byte[0] < 0x80)
		return 1;
	for (size_t i = 0; i < sizeof leads / sizeof leads[0]; i++) {
		if (byte[0] < leads[i].first || byte[0] > leads[i].last)
			continue;
		if (left < leads[i].bytes || byte[1] < leads[i].low || byte[1] > leads[i].high)
			return 0;
		for (size_t next = 2; next < leads[i].bytes; next++)
			if ((byte[next] & 0xc0) != 0x80)
				return 0;
		return leads[i].bytes;
	}
	return 0;
}
