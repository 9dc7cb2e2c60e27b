/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kafka: metadata from a broker; of `topic` a leader and all replicas in sync, and the leader of one partition,
 * each in turn, answers for it; the lag of a consumer group; a message produced. A handle lives as long as the
 * dependency: one made for each question costs brokers more than the question. Threads: see
 * kind_kafka_handle.h. Failure: see kind.h; while the last question failed, a connection of our own comes
 * first, because librdkafka never says soon that nobody is there. Memory: one handle, with `produce` two.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "probe/kind.h"
#include "probe/kind_kafka_handle.h"

struct kafka {
	struct kafka_handle reader, writer;
	bool proven;         /* the last question was answered */
	unsigned turn;       /* whose leader is asked */
	unsigned partitions; /* of the topic */
	unsigned host_count;
	struct kafka_host hosts[KAFKA_HOSTS];
};

static int open_kafka(const struct dependency *of, void **state, char *why, size_t why_bytes)
{
	struct kafka *kafka = calloc(1, sizeof *kafka);

	if (!kafka)
		return -ENOMEM;
	kafka->host_count = kafka_read_hosts(of, kafka->hosts);
	if (kafka->host_count == 0) {
		snprintf(why, why_bytes, "url: a host is missing");
		free(kafka);
		return -EINVAL;
	}
	*state = kafka;
	return 0;
}

static void close_kafka(void *state)
{
	struct kafka *kafka = state;

	kafka_destroy(&kafka->writer);
	kafka_destroy(&kafka->reader);
	free(kafka);
}

static bool try_host(struct attempt *attempt, const struct kafka_host *host)
{
	int fd = attempt_connect(attempt, host->name, host->port);

	if (fd < 0)
		return false;
	attempt_hold(attempt, -1);
	close(fd);
	return true;
}

/* Is anybody there? The last of the hosts fails the attempt, those before it only cost their share of the time.
 */
static bool knock(struct kafka *kafka, struct attempt *attempt)
{
	for (unsigned i = 0; i + 1 < kafka->host_count; i++) {
		int64_t now = clock_mono_ns();
		struct probe_result result;
		struct attempt own;
		bool there;

		attempt_begin(&own, attempt->of, &result, now,
			now + (attempt->deadline - now) / (kafka->host_count - i));
		there = try_host(&own, &kafka->hosts[i]);
		attempt_end(&own);
		if (there)
			return true;
	}
	return try_host(attempt, &kafka->hosts[kafka->host_count - 1]);
}

static void hear(struct kafka_handle *handle)
{
	if (handle->rk)
		rd_kafka_poll(handle->rk, 0);
}

/* ---- what the cluster says of the topic */

static void judge_partition(struct attempt *attempt, const rd_kafka_metadata_partition_t *one)
{
	if (one->leader < 0)
		attempt_fail(attempt, PROBE_NOT_READY, "partition %d has no leader", one->id);
	else if (one->isr_cnt < one->replica_cnt)
		attempt_degrade(attempt, PROBE_NOT_READY, "partition %d: %d of %d replicas in sync", one->id,
			one->isr_cnt, one->replica_cnt);
}

static void judge_metadata(struct kafka *kafka, struct attempt *attempt, const rd_kafka_metadata_t *metadata)
{
	const rd_kafka_metadata_topic_t *topic = metadata->topic_cnt ? &metadata->topics[0] : NULL;

	if (metadata->broker_cnt == 0) {
		attempt_fail(attempt, PROBE_NOT_READY, "the cluster names no broker");
		return;
	}
	if (!attempt->of->topic[0])
		return;
	if (!topic || topic->err || topic->partition_cnt == 0) {
		rd_kafka_resp_err_t code =
			topic && topic->err ? topic->err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;

		attempt_fail(attempt, kafka_error_of(code, ""), "%.64s: %.80s", attempt->of->topic,
			rd_kafka_err2str(code));
		return;
	}
	kafka->partitions = (unsigned)topic->partition_cnt;
	for (int i = 0; i < topic->partition_cnt; i++)
		judge_partition(attempt, &topic->partitions[i]);
}

static void ask_metadata(struct kafka *kafka, struct attempt *attempt)
{
	rd_kafka_t *rk = kafka->reader.rk;
	rd_kafka_topic_t *topic =
		attempt->of->topic[0] ? rd_kafka_topic_new(rk, attempt->of->topic, NULL) : NULL;
	const rd_kafka_metadata_t *metadata = NULL;
	rd_kafka_resp_err_t code = rd_kafka_metadata(rk, 0, topic, &metadata, kafka_left_ms(attempt));

	hear(&kafka->reader);
	if (topic)
		rd_kafka_topic_destroy(topic);
	if (code)
		kafka_fail(&kafka->reader, attempt, code, "metadata");
	else
		judge_metadata(kafka, attempt, metadata);
	if (metadata)
		rd_kafka_metadata_destroy(metadata);
}

/* ---- what leaders say */

/* Where their logs begin or end now, of all in one turn. rd_kafka_query_watermark_offsets would do it for one,
 * but waits without limit for a leader that is out of reach. */
static bool ask_leaders(
	struct kafka *kafka, struct attempt *attempt, rd_kafka_topic_partition_list_t *list, int64_t where)
{
	rd_kafka_resp_err_t code;
	char doing[64];

	for (int i = 0; i < list->cnt; i++)
		list->elems[i].offset = where;
	code = rd_kafka_offsets_for_times(kafka->reader.rk, list, kafka_left_ms(attempt));
	hear(&kafka->reader);
	for (int i = 0; !code && i < list->cnt; i++)
		code = list->elems[i].err;
	if (!code)
		return true;
	snprintf(doing, sizeof doing,
		list->cnt == 1 ? "the leader of partition %d" : "the leaders of %d partitions",
		list->cnt == 1 ? list->elems[0].partition : list->cnt);
	return kafka_fail(&kafka->reader, attempt, code, doing);
}

static rd_kafka_topic_partition_list_t *list_partitions(
	const struct attempt *attempt, unsigned from, unsigned count)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);

	rd_kafka_topic_partition_list_add_range(list, attempt->of->topic, (int)from, (int)(from + count) - 1);
	return list;
}

static void ask_one_leader(struct kafka *kafka, struct attempt *attempt)
{
	rd_kafka_topic_partition_list_t *list = list_partitions(attempt, kafka->turn++ % kafka->partitions, 1);

	ask_leaders(kafka, attempt, list, RD_KAFKA_OFFSET_END);
	rd_kafka_topic_partition_list_destroy(list);
}

static bool ask_committed(struct kafka *kafka, struct attempt *attempt, rd_kafka_topic_partition_list_t *list)
{
	rd_kafka_resp_err_t code = rd_kafka_committed(kafka->reader.rk, list, kafka_left_ms(attempt));

	hear(&kafka->reader);
	for (int i = 0; !code && i < list->cnt; i++)
		code = list->elems[i].err;
	return !code || kafka_fail(&kafka->reader, attempt, code, "the group's offsets");
}

/* Messages that the group has not committed yet, over all partitions; where it never did, all there are. */
static void ask_lag(struct kafka *kafka, struct attempt *attempt)
{
	rd_kafka_topic_partition_list_t *begin = list_partitions(attempt, 0, kafka->partitions);
	rd_kafka_topic_partition_list_t *end = rd_kafka_topic_partition_list_copy(begin);
	rd_kafka_topic_partition_list_t *done = rd_kafka_topic_partition_list_copy(begin);
	double lag = 0;

	if (ask_leaders(kafka, attempt, begin, RD_KAFKA_OFFSET_BEGINNING) &&
		ask_leaders(kafka, attempt, end, RD_KAFKA_OFFSET_END) && ask_committed(kafka, attempt, done)) {
		for (int i = 0; i < done->cnt; i++) {
			int64_t low = begin->elems[i].offset, from = done->elems[i].offset;

			from = from < low ? low : from;
			lag += end->elems[i].offset > from ? (double)(end->elems[i].offset - from) : 0;
		}
		attempt_value(attempt, lag);
	}
	rd_kafka_topic_partition_list_destroy(begin);
	rd_kafka_topic_partition_list_destroy(end);
	rd_kafka_topic_partition_list_destroy(done);
}

/* ---- a message of our own */

static void produce(struct kafka *kafka, struct attempt *attempt)
{
	static char text[] = "lifesign";
	struct kafka_handle *writer = &kafka->writer;
	rd_kafka_resp_err_t code;
	int left;

	if (!writer->rk && !kafka_create(writer, attempt, RD_KAFKA_PRODUCER))
		return;
	writer->delivered = false;
	code = rd_kafka_producev(writer->rk, RD_KAFKA_V_TOPIC(attempt->of->topic),
		RD_KAFKA_V_VALUE(text, sizeof text - 1), RD_KAFKA_V_KEY(text, sizeof text - 1), RD_KAFKA_V_END);
	if (code) {
		kafka_fail(writer, attempt, code, "producing");
		return;
	}
	while (!writer->delivered && (left = kafka_left_ms(attempt)) > 0)
		rd_kafka_poll(writer->rk, left);
	if (!writer->delivered) {
		rd_kafka_purge(writer->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
		rd_kafka_poll(writer->rk, 0); /* it never counts for the next question */
		kafka_fail(writer, attempt, RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, "producing");
	} else if (writer->delivery) {
		kafka_fail(writer, attempt, writer->delivery, "producing");
	}
}

static void ask(struct kafka *kafka, struct attempt *attempt)
{
	attempt_phase(attempt, PHASE_ASK);
	ask_metadata(kafka, attempt);
	if (attempt_failed(attempt) || !attempt->of->topic[0])
		return;
	if (attempt->of->group[0])
		ask_lag(kafka, attempt);
	else
		ask_one_leader(kafka, attempt);
	if (attempt->of->produce && !attempt_failed(attempt))
		produce(kafka, attempt);
}

/* A login that was refused: otherwise librdkafka would try the same password twice a second until the next
 * question. A new handle reads the files again, which may have changed. */
static void forget_refused(struct kafka *kafka, const struct attempt *attempt)
{
	bool told =
		kafka->reader.error.code || kafka->writer.error.code; /* else a broker refused what was asked */

	if (!told || (attempt->result->error != PROBE_AUTH_FAILED && attempt->result->error != PROBE_TLS_ERROR))
		return;
	kafka_discard(&kafka->writer);
	kafka_discard(&kafka->reader);
}

static void ask_kafka(void *state, struct attempt *attempt)
{
	struct kafka *kafka = state;

	hear(&kafka->reader);
	if (kafka->reader.error.code)
		kafka->proven = false; /* a broker was lost since */
	if (!kafka->proven && !knock(kafka, attempt))
		return;
	if (kafka->reader.rk || kafka_create(&kafka->reader, attempt, RD_KAFKA_CONSUMER))
		ask(kafka, attempt);
	kafka->proven = !attempt_failed(attempt);
	forget_refused(kafka, attempt);
	if (kafka->proven)
		kafka->reader.error.code = kafka->writer.error.code = RD_KAFKA_RESP_ERR_NO_ERROR;
}

const struct probe_kind probe_kind = {
	.name = "kafka", .open = open_kafka, .ask = ask_kafka, .close = close_kafka};
