/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <string.h>

#include "base/utf8.h"

enum { WORD = 64 }; /* no option, key or command is longer */

bool text_is_control(const char *at, size_t bytes)
{
	unsigned char first = (unsigned char)at[0];

	return bytes == 1 ? first < 0x20 || first == 0x7f
			  : bytes == 2 && first == 0xc2 && (unsigned char)at[1] < 0xa0;
}

void text_sanitize(char *text)
{
	char *out = text;

	for (size_t left = strlen(text); left;) {
		unsigned bytes = (unsigned)utf8_character(text, left);

		if (!bytes || text_is_control(text, bytes)) {
			bytes = bytes ? bytes : 1;
			*out++ = '?';
		} else {
			memmove(out, text, bytes);
			out += bytes;
		}
		text += bytes;
		left -= bytes;
	}
	*out = 0;
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Edits (insert, delete, change, swap of neighbours) from one word to the other; long words are never near. */
static unsigned distance(const char *a, const char *b)
{
	size_t rows = strlen(a), columns = strlen(b);
	unsigned cost[3][WORD + 1] = {{0}};

	if (rows > WORD || columns > WORD)
		return WORD;
	for (unsigned column = 0; column <= columns; column++)
		cost[0][column] = column;
	for (unsigned row = 1; row <= rows; row++) {
		unsigned *now = cost[row % 3], *before = cost[(row + 2) % 3], *earlier = cost[(row + 1) % 3];

		now[0] = row;
		for (unsigned column = 1; column <= columns; column++) {
			unsigned differs = a[row - 1] != b[column - 1];

			now[column] =
				least(least(before[column], now[column - 1]) + 1, before[column - 1] + differs);
			if (row > 1 && column > 1 && a[row - 1] == b[column - 2] && a[row - 2] == b[column - 1])
				now[column] = least(now[column], earlier[column - 2] + 1);
		}
	}
	return cost[rows % 3][columns];
}

void text_offer(struct text_nearest *nearest, const char *candidate)
{
	unsigned edits = distance(nearest->word, candidate);
	size_t length = strlen(candidate);

	if (edits > (length > 8 ? 3 : length > 3 ? 2 : 1))
		return;
	if (nearest->best && edits >= nearest->distance)
		return;
	nearest->best = candidate;
	nearest->distance = edits;
}
