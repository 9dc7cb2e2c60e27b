/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two text formats of metrics, Prometheus 0.0.4 and OpenMetrics 1.0: names, labels and escaping. What is
 * measured is not known here.
 */
#ifndef LS_EXPOSITION_H
#define LS_EXPOSITION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum metric_type { METRIC_GAUGE, METRIC_COUNTER, METRIC_INFO, METRIC_HISTOGRAM };

/* The name is the family's of OpenMetrics, without _total and _info. */
struct metric {
	const char *name;
	enum metric_type type;
	const char *unit; /* the name's last word, or NULL */
	const char *help;
};

/* NULL name: no such label. Values may hold any bytes. */
struct label {
	const char *name, *value;
};

struct sheet {
	struct buf *out;
	bool openmetrics;
	const char *app;             /* first label of each sample; NULL: none */
	const struct metric *metric; /* the samples now written belong to it */
};

/* The comment lines before the samples of one metric. */
void sheet_begin_metric(struct sheet *sheet, const struct metric *metric);

/* One sample; `labels` ends with a NULL name, NULL: none. */
void sheet_put_uint(struct sheet *sheet, const struct label *labels, uint64_t value);
void sheet_put_double(struct sheet *sheet, const struct label *labels, double value);

/* `counts[i]`: how many were at most bounds[i]; all of them: `count`, whose sum is `sum`. */
struct histogram {
	const double *bounds;
	const uint64_t *counts;
	unsigned buckets;
	uint64_t count;
	double sum;
};
void sheet_put_histogram(struct sheet *sheet, const struct label *labels, const struct histogram *histogram);

void sheet_end(struct sheet *sheet);

#endif
