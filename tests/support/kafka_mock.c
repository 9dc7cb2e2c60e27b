/* SPDX-License-Identifier: Apache-2.0 */
/* build: -lrdkafka */
/*
 * kafka_mock BROKERS: librdkafka's cluster of brokers inside this process. Says "at HOST:PORT,…", then obeys a line at a
 * time and answers "ok" or what went wrong:
 *   topic NAME PARTITIONS REPLICAS   leader NAME PARTITION BROKER   down BROKER   up BROKER   rtt BROKER MS
 *   error API CODE TIMES   topicerror NAME CODE   fill NAME PARTITION MESSAGES   commit GROUP NAME PARTITION OFFSET
 */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS = 6, WAIT_MS = 10000 };

static rd_kafka_mock_cluster_t *cluster;
static rd_kafka_t *producer;

static rd_kafka_t *make(rd_kafka_type_t type, const char *servers, const char *group)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char why[256];
	rd_kafka_t *rk;

	if (servers)
		rd_kafka_conf_set(conf, "bootstrap.servers", servers, why, sizeof why);
	if (group)
		rd_kafka_conf_set(conf, "group.id", group, why, sizeof why);
	rk = rd_kafka_new(type, conf, why, sizeof why);
	if (!rk) {
		fprintf(stderr, "%s\n", why);
		exit(1);
	}
	return rk;
}

static int fill(const char *topic, int partition, int count)
{
	static char text[] = "x";
	rd_kafka_t *rk = make(RD_KAFKA_PRODUCER, rd_kafka_mock_cluster_bootstraps(cluster), NULL);
	int code = 0;

	for (int i = 0; i < count && !code; i++)
		code = rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_VALUE(text, 1),
			RD_KAFKA_V_END);
	if (!code)
		code = rd_kafka_flush(rk, WAIT_MS);
	rd_kafka_destroy(rk);
	return code;
}

static int commit(const char *group, const char *topic, int partition, int64_t offset)
{
	rd_kafka_t *rk = make(RD_KAFKA_CONSUMER, rd_kafka_mock_cluster_bootstraps(cluster), group);
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	int code;

	rd_kafka_topic_partition_list_add(list, topic, partition)->offset = offset;
	code = rd_kafka_commit(rk, list, 0);
	rd_kafka_topic_partition_list_destroy(list);
	rd_kafka_destroy(rk);
	return code;
}

static int fail_requests(int api, int code, int times)
{
	rd_kafka_resp_err_t codes[100];
	size_t count = times < 100 ? (size_t)times : 100;

	for (size_t i = 0; i < count; i++)
		codes[i] = (rd_kafka_resp_err_t)code;
	rd_kafka_mock_push_request_errors_array(cluster, (int16_t)api, count, codes);
	return 0;
}

static int obey(char words[WORDS][64])
{
	const char *verb = words[0], *name = words[1];
	int first = atoi(words[1]), second = atoi(words[2]), third = atoi(words[3]);

	if (!strcmp(verb, "topic"))
		return rd_kafka_mock_topic_create(cluster, name, second, third);
	if (!strcmp(verb, "leader"))
		return rd_kafka_mock_partition_set_leader(cluster, name, second, third);
	if (!strcmp(verb, "down"))
		return rd_kafka_mock_broker_set_down(cluster, first);
	if (!strcmp(verb, "up"))
		return rd_kafka_mock_broker_set_up(cluster, first);
	if (!strcmp(verb, "rtt"))
		return rd_kafka_mock_broker_set_rtt(cluster, first, second);
	if (!strcmp(verb, "error"))
		return fail_requests(first, second, third);
	if (!strcmp(verb, "fill"))
		return fill(name, second, third);
	if (!strcmp(verb, "commit"))
		return commit(name, words[2], third, atoi(words[4]));
	if (strcmp(verb, "topicerror"))
		return RD_KAFKA_RESP_ERR__INVALID_ARG;
	rd_kafka_mock_topic_set_error(cluster, name, (rd_kafka_resp_err_t)second);
	return 0;
}

int main(int argc, char **argv)
{
	char line[256];

	producer = make(RD_KAFKA_PRODUCER, NULL, NULL);
	cluster = rd_kafka_mock_cluster_new(producer, argc > 1 ? atoi(argv[1]) : 1);
	printf("at %s\n", rd_kafka_mock_cluster_bootstraps(cluster));
	fflush(stdout);
	while (fgets(line, sizeof line, stdin)) {
		char words[WORDS][64] = {""};
		int code;

		sscanf(line, "%63s %63s %63s %63s %63s", words[0], words[1], words[2], words[3], words[4]);
		code = obey(words);
		printf("%s\n", code ? rd_kafka_err2str((rd_kafka_resp_err_t)code) : "ok");
		fflush(stdout);
	}
	rd_kafka_mock_cluster_destroy(cluster);
	rd_kafka_destroy(producer);
	return 0;
}
