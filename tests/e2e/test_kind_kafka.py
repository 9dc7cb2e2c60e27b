# ctest: asan timeout=240
# SPDX-License-Identifier: Apache-2.0
"""kafka against librdkafka's mock cluster, and servers that are wrong on purpose."""
import subprocess

import pytest

from kinds import GROWTH, HANG, Certificates, Faulty, Prober, ask, black_hole, faults, refused_port, side_by_side, silent
from lifesign import SUPPORT, clean_environment, wait_until

METADATA, LIST_OFFSETS, OFFSET_FETCH, PRODUCE = 3, 2, 9, 0


class Cluster:
    def __init__(self, place, brokers=1):
        self.errors = open(place.file("mock.err"), "w", encoding="utf-8")
        self.process = subprocess.Popen([f"{SUPPORT}/kafka_mock", str(brokers)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.errors, text=True, env=clean_environment())
        self.servers = self.process.stdout.readline().split()[1]

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "ok\n", line

    def signal(self, number):
        self.process.send_signal(number)
        state = "T" if number == 19 else "SR"

        def reached():
            with open(f"/proc/{self.process.pid}/stat", encoding="ascii", errors="replace") as f:
                return f.read().rpartition(")")[2].split()[0] in state
        wait_until(reached, 10)

    def close(self):
        self.process.send_signal(18)
        self.process.kill()
        self.process.wait(10)
        self.process.stdin.close()
        self.process.stdout.close()
        self.errors.close()

    def depends(self, **keys):
        return {"kind": "kafka", "url": f"kafka://{self.servers}", **keys}


@pytest.fixture
def cluster(place):
    one = Cluster(place, 3)
    yield one
    one.close()


def test_every_fault_has_its_name_within_the_budget(place):
    seen = faults(place, lambda port: {"kind": "kafka", "url": f"kafka://127.0.0.1:{port}"}, b"\0\0\0\x10\0\0", timeout=3,
                  hang=(*HANG, "garbage", "closes mid-answer", "closes at once", "resets"))  # librdkafka tries on
    said = {fault: result.said() for fault, result in seen.items()}
    assert said == {"refused": "refused", "black hole": "connect_timeout", "silent": "timeout", "garbage": said["garbage"],
                    "drip": "timeout", "closes mid-answer": "protocol_error", "closes at once": "protocol_error",
                    "resets": "protocol_error"}, seen
    assert said["garbage"] in ("protocol_error", "timeout")  # its first bytes are the length of a long answer


def test_one_good_host_of_a_list_is_enough(place, cluster):
    good = cluster.servers.split(",")[0]
    with black_hole() as hole:
        cases = {"up": f"127.0.0.1:{refused_port()},{good}", "up after a hole": f"127.0.0.1:{hole},{good}",
                 "refused": f"127.0.0.1:{refused_port()},127.0.0.1:{refused_port()}"}
        seen = side_by_side({name: lambda h=hosts: ask(place, {"kind": "kafka", "url": f"kafka://{h}"}, timeout=6)  # a hole takes half
                             for name, hosts in cases.items()})
    assert [(name, result) for name, result in seen.items() if result.said() != name.split()[0]] == []


def test_tls_that_is_none(place):
    certificates = Certificates(place)
    with Faulty(lambda connection: connection.sendall(b"HTTP/1.0 400\r\n\r\n")) as server:
        result = ask(place, {"kind": "kafka", "url": f"kafka+tls://localhost:{server.port}", "caFile": certificates.ca}, timeout=4)
        assert result.said() == "tls_error", result
    with Faulty(silent) as server:
        assert ask(place, {"kind": "kafka", "url": f"kafka+tls://localhost:{server.port}"}, timeout=1).said() == "timeout"


def test_leaders_of_the_topic(place, cluster):
    with Prober(place, cluster.depends(topic="events")) as prober, Prober(place, cluster.depends()) as any_topic:
        cluster.tell("topic events 3 2")
        cluster.tell("topicerror events 3")  # UNKNOWN_TOPIC_OR_PART: the mock makes what it is asked for
        result = prober.ask()
        assert (result.said(), "Unknown topic" in result.detail) == ("not_ready", True), result
        cluster.tell("topicerror events 29")
        assert prober.ask().said() == "auth_failed"
        cluster.tell("topicerror events 0")
        prober.until("up")
        cluster.tell("leader events 1 -1")
        result = prober.until("not_ready")
        assert "partition 1" in result.detail
        assert any_topic.ask().said() == "up"
        cluster.tell("leader events 1 2")
        prober.until("up")


def test_a_leader_that_is_out_of_reach(place, cluster):
    """Metadata comes from anybody, also when the leader's own address leads nowhere."""
    cluster.tell("topic events 3 1")
    for partition in range(3):
        cluster.tell(f"leader events {partition} {partition + 1}")
    with Prober(place, cluster.depends(topic="events"), timeout=4) as prober:
        for _ in range(3):
            assert prober.ask().said() == "up"
        cluster.tell("rtt 2 5000")
        seen = [prober.ask(1) for _ in range(3)]
        assert any(result.said() == "timeout" for result in seen), seen
        cluster.tell("rtt 2 0")
        prober.until("up")


def test_a_message_of_our_own(place, cluster):
    cluster.tell("topic events 1 1")
    with Prober(place, cluster.depends(topic="events", produce=True), timeout=5) as prober:
        prober.until("up")
        cluster.tell(f"error {PRODUCE} 29 1")  # TOPIC_AUTHORIZATION_FAILED
        assert prober.ask().said() == "auth_failed"
        assert prober.until("up")
        cluster.tell("rtt 1 9000")
        cluster.tell("rtt 2 9000")
        cluster.tell("rtt 3 9000")
        assert prober.ask(1).said() == "timeout"


def test_the_lag_of_a_group(place, cluster):
    cluster.tell("topic events 2 1")
    cluster.tell("fill events 0 10")
    cluster.tell("fill events 1 5")
    with Prober(place, cluster.depends(topic="events", consumerGroup="workers", max=14)) as prober:
        prober.until("threshold")
        assert prober.ask().value == 15
        cluster.tell("commit workers events 0 8")
        result = prober.until("up")
        assert result.value == 7
        cluster.tell(f"error {OFFSET_FETCH} 30 3")  # GROUP_AUTHORIZATION_FAILED
        assert prober.ask().said() == "auth_failed"


def test_one_handle_survives_kill_and_stop(place, cluster):
    cluster.tell("topic events 1 1")
    with Prober(place, cluster.depends(topic="events"), timeout=5) as prober:
        prober.until("up")
        for broker in (1, 2, 3):
            cluster.tell(f"down {broker}")
        prober.until("refused")
        for broker in (1, 2, 3):
            cluster.tell(f"up {broker}")
        prober.until("up")
        cluster.signal(19)
        assert [prober.ask(1).said() for _ in range(2)] == ["timeout"] * 2
        cluster.signal(18)
        prober.until("up")
        threads, fds, rss = prober.threads(), len(prober.fds()), prober.rss()
        for _ in range(200):
            assert prober.ask().said() == "up"
        assert prober.threads() <= threads and prober.rss() < rss + GROWTH
        assert len(prober.fds()) <= fds + 3  # a connection to each broker
