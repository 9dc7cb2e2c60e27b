/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/exposition.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

static const struct {
	const char *text, *openmetrics; /* the word of the TYPE line */
	const char *suffix;             /* of the sample's name */
} types[] = {
	[METRIC_GAUGE] = {"gauge", "gauge", ""},
	[METRIC_COUNTER] = {"counter", "counter", "_total"},
	[METRIC_INFO] = {"gauge", "info", "_info"},
	[METRIC_HISTOGRAM] = {"histogram", "histogram", ""},
};

/* "# WORD name text"; the text format names the samples, OpenMetrics the family. */
static void write_comment(struct sheet *sheet, const char *word, const char *text)
{
	buf_text(sheet->out, "# ");
	buf_text(sheet->out, word);
	buf_char(sheet->out, ' ');
	buf_text(sheet->out, sheet->metric->name);
	if (!sheet->openmetrics)
		buf_text(sheet->out, types[sheet->metric->type].suffix);
	buf_char(sheet->out, ' ');
	buf_text(sheet->out, text);
	buf_char(sheet->out, '\n');
}

void sheet_begin_metric(struct sheet *sheet, const struct metric *metric)
{
	sheet->metric = metric;
	write_comment(sheet, "HELP", metric->help);
	write_comment(
		sheet, "TYPE", sheet->openmetrics ? types[metric->type].openmetrics : types[metric->type].text);
	if (sheet->openmetrics && metric->unit)
		write_comment(sheet, "UNIT", metric->unit);
}

/* How many of the first bytes stand for themselves. */
static size_t count_plain(const char *value)
{
	size_t count = 0;

	while (value[count] >= ' ' && value[count] <= '~' && value[count] != '"' && value[count] != '\\')
		count++;
	return count;
}

static void write_value(struct buf *out, const char *value)
{
	size_t plain = count_plain(value), left = strlen(value + plain);

	buf_add(out, value, plain);
	value += plain;
	while (left > 0) {
		size_t bytes = utf8_character(value, left);

		if (*value == '\n')
			buf_text(out, "\\n");
		else if (*value == '"' || *value == '\\')
			buf_add(out, (char[]){'\\', *value}, 2);
		else if (bytes)
			buf_add(out, value, bytes);
		else
			buf_text(out, UTF8_REPLACEMENT);
		value += bytes ? bytes : 1;
		left -= bytes ? bytes : 1;
	}
}

static void write_label(struct buf *out, char before, const char *name, const char *value)
{
	buf_char(out, before);
	buf_text(out, name);
	buf_text(out, "=\"");
	write_value(out, value);
	buf_char(out, '"');
}

/* Everything before the number. */
static void write_name(struct sheet *sheet, const char *suffix, const struct label *labels, const char *bound)
{
	char before = '{';

	buf_text(sheet->out, sheet->metric->name);
	buf_text(sheet->out, suffix);
	if (sheet->app) {
		write_label(sheet->out, before, "app", sheet->app);
		before = ',';
	}
	for (; labels && labels->name; labels++) {
		write_label(sheet->out, before, labels->name, labels->value);
		before = ',';
	}
	if (bound) {
		write_label(sheet->out, before, "le", bound);
		before = ',';
	}
	buf_text(sheet->out, before == ',' ? "} " : " ");
}

static void write_sample_name(struct sheet *sheet, const struct label *labels)
{
	write_name(sheet, types[sheet->metric->type].suffix, labels, NULL);
}

void sheet_put_uint(struct sheet *sheet, const struct label *labels, uint64_t value)
{
	write_sample_name(sheet, labels);
	buf_uint(sheet->out, value);
	buf_char(sheet->out, '\n');
}

void sheet_put_double(struct sheet *sheet, const struct label *labels, double value)
{
	write_sample_name(sheet, labels);
	buf_double(sheet->out, value, "NaN");
	buf_char(sheet->out, '\n');
}

static void put_bucket(struct sheet *sheet, const struct label *labels, const char *bound, uint64_t count)
{
	write_name(sheet, "_bucket", labels, bound);
	buf_uint(sheet->out, count);
	buf_char(sheet->out, '\n');
}

/* As Prometheus' own libraries write it: the label is text, and 0.001 is not 0.00100; OpenMetrics wants a point in it. */
static void write_bound(char *out, size_t bytes, double bound)
{
	(void)snprintf(out, bytes, "%.3g", bound); /* short */
	if (!strpbrk(out, ".e"))
		(void)snprintf(out, bytes, "%.1f", bound);
}

void sheet_put_histogram(struct sheet *sheet, const struct label *labels, const struct histogram *histogram)
{
	for (unsigned i = 0; i < histogram->buckets; i++) {
		char bound[32];

		write_bound(bound, sizeof bound, histogram->bounds[i]);
		put_bucket(sheet, labels, bound, histogram->counts[i]);
	}
	put_bucket(sheet, labels, "+Inf", histogram->count);
	write_name(sheet, "_sum", labels, NULL);
	buf_double(sheet->out, histogram->sum, "NaN");
	buf_char(sheet->out, '\n');
	write_name(sheet, "_count", labels, NULL);
	buf_uint(sheet->out, histogram->count);
	buf_char(sheet->out, '\n');
}

void sheet_end(struct sheet *sheet)
{
	if (sheet->openmetrics)
		buf_text(sheet->out, "# EOF\n");
}
