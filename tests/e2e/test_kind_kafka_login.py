# ctest: asan timeout=240
# SPDX-License-Identifier: Apache-2.0
"""kafka with logins by SASL and with TLS, against a stand-in that librdkafka takes for a broker."""
import os
import shutil
import subprocess

import pytest

from kinds import GROWTH, PATIENT, Certificates, Prober, Server, ask, side_by_side
from lifesign import SOURCE, clean_environment, free_port, holds_for, wait_until

SECRET = "se#cret"
STAND_IN = os.path.join(SOURCE, "tests/support/kafka_stand_in.py")
SCRAM = "?mechanism=SCRAM-SHA-256"
LOGIN = ("--sasl", "PLAIN,SCRAM-SHA-256", "--user", f"app:{SECRET}")


class Kafka(Server):
    def __init__(self, place, plain, *options, port=None, **more):
        self.port = port or free_port()
        super().__init__(plain, ["/usr/bin/python3", STAND_IN, "--port", self.port, "--topic", "events", *options],
                         lambda: "listening" in self.running.out(), **more)

    def url(self, user="", rest="", host="127.0.0.1", scheme="kafka"):
        return f"{scheme}://{user}{host}:{self.port}{rest}"

    def count(self, line):
        return self.running.out().count(line + "\n")


def all_of(place, cases):
    """{name: (url, keys)} asked side by side; each name begins with what must be said. Who is refused takes the whole
    budget: librdkafka tries on."""
    seen = side_by_side({name: lambda d={"url": url, **keys}, budget=PATIENT if name.startswith("up") else 4: ask(place, d, budget)
                         for name, (url, keys) in cases.items()})
    assert {name: result for name, result in seen.items() if result.said() != name.split()[0]} == {}
    return seen


@pytest.mark.parametrize("options, words", [
    ((), ()), (LOGIN, ("sasl_plaintext", "PLAIN")), (LOGIN, ("sasl_plaintext", "SCRAM-SHA-256"))], ids=["plain", "PLAIN", "SCRAM"])
def test_another_program_takes_the_stand_in_for_a_broker(place, plain, options, words):
    kafka = Kafka(place, plain, *options)
    login = [f"security.protocol={words[0]}", f"sasl.mechanism={words[1]}", "sasl.username=app", f"sasl.password={SECRET}"] if words else []
    done = subprocess.run(["kcat", "-L", "-b", f"127.0.0.1:{kafka.port}", "-t", "events", *(x for word in login for x in ("-X", word))],
                          capture_output=True, text=True, timeout=60, check=False, env=clean_environment())
    assert 'topic "events" with 1 partitions:\n    partition 0, leader 1, replicas: 1, isrs: 1\n' in done.stdout, done


def test_who_may_log_in(place, plain):
    locked, free, only = Kafka(place, plain, *LOGIN), Kafka(place, plain), Kafka(place, plain, "--sasl", "SCRAM-SHA-256", *LOGIN[2:])
    secret = {"passwordFile": place.file("password", SECRET + "\n", mode=0o600)}
    over = {"passwordFile": place.file("wrong", "other", mode=0o600)}
    seen = all_of(place, {
        "up": (locked.url("app:se%23cret@"), {}),
        "up topic": (locked.url("app:se%23cret@"), {"topic": "events"}),
        "up password file": (locked.url("app@"), secret),
        "up SCRAM": (locked.url("app:se%23cret@", SCRAM), {"topic": "events"}),
        "up SCRAM and a path": (locked.url("app@", "/" + SCRAM), secret),
        "auth_failed wrong": (locked.url("app@"), over),
        "auth_failed user": (locked.url("nobody@"), secret),
        "auth_failed SCRAM wrong": (locked.url("app@", SCRAM), over),
        "auth_failed SCRAM user": (locked.url("nobody@", SCRAM), secret),
        "auth_failed mechanism": (only.url("app@"), secret),
        "auth_failed another mechanism": (locked.url("app@", "?mechanism=SCRAM-SHA-512"), secret),
        "auth_failed no login is given": (locked.url(), {}),
        "auth_failed nobody logs in there": (free.url("app@"), secret),
        "auth_failed nobody logs in there by SCRAM": (free.url("app@", SCRAM), secret),
        "internal": (locked.url("app@", "?mechanism=MAGIC"), secret),
        "not_ready": (locked.url("app@"), {**secret, "topic": "other"}),
    })
    assert not any(SECRET in repr(result) or "se%23cret" in repr(result) for result in seen.values())


def test_the_login_goes_through_tls(place, plain):
    certificates = Certificates(place)
    ca = {"caFile": certificates.ca}
    right, wrong = (Kafka(place, plain, *LOGIN, "--tls", *pair) for pair in (certificates.right, certificates.wrong))
    user = "app:se%23cret@"
    all_of(place, {
        "up": (right.url(user, scheme="kafka+tls"), ca),
        "up SCRAM": (right.url(user, SCRAM, scheme="kafka+tls"), {**ca, "topic": "events"}),
        "up unverified": (wrong.url(user, scheme="kafka+tls"), {"tlsVerify": False}),
        "auth_failed": (right.url("app:wrong@", scheme="kafka+tls"), ca),
        "tls_error wrong host": (wrong.url(user, scheme="kafka+tls"), ca),
        "tls_error unknown authority": (right.url(user, scheme="kafka+tls"), {}),
    })


@pytest.mark.parametrize("rest", ["", SCRAM], ids=["PLAIN", "SCRAM"])
def test_one_login_survives_kill_and_stop(place, plain, rest):
    kafka = Kafka(place, plain, *LOGIN)
    with Prober(place, {"url": kafka.url("app:se%23cret@", rest), "topic": "events"}, timeout=5) as prober:
        prober.until("up")
        for _ in range(5):
            assert prober.ask().said() == "up"
        threads, fds, rss, logins = prober.threads(), len(prober.fds()), prober.rss(), kafka.count("connection")
        for _ in range(200):
            assert prober.ask().said() == "up"
        assert kafka.count("connection") == logins and prober.rss() < rss + GROWTH
        outlives_loosely(kafka, prober)
        assert prober.threads() <= threads and len(prober.fds()) <= fds + 1


def outlives_loosely(kafka, prober):
    """outlives() without its count of descriptors: librdkafka keeps one connection or two."""
    kafka.kill()
    assert prober.ask().said() == "refused"
    kafka.start()
    prober.until("up")
    with kafka.stopped():
        for _ in range(2):
            assert prober.ask(1).said() in ("timeout", "connect_timeout")
    prober.until("up")


def test_a_wrong_password_is_not_tried_between_questions(place, plain):
    kafka = Kafka(place, plain, *LOGIN)
    with Prober(place, {"url": kafka.url("app:wrong@")}, timeout=3) as prober:
        for _ in range(2):
            assert prober.ask().said() == "auth_failed"
        wait_until(lambda: prober.threads() == 1, 20, prober.fds)  # what it opened in those is over
        seen = kafka.count("connection")
        holds_for(lambda: kafka.count("connection") <= seen + 1, 2, lambda: f"{kafka.count('connection')} after {seen}")


def test_a_password_that_changes_is_read_again(place, plain):
    kafka = Kafka(place, plain, *LOGIN)
    path = place.file("password", "old", mode=0o600)
    with Prober(place, {"url": kafka.url("app@"), "topic": "events", "passwordFile": path}, timeout=3) as prober:
        prober.until("auth_failed")
        wait_until(lambda: prober.threads() == 1, 20, prober.fds)
        fds = prober.fds()
        for _ in range(2):
            assert prober.ask().said() == "auth_failed"
        wait_until(lambda: prober.threads() == 1 and prober.fds() == fds, 20, prober.fds)
        place.file("password", SECRET + "\n", mode=0o600)
        prober.until("up")
        kafka.command = [word.replace(SECRET, "another") if isinstance(word, str) else word for word in kafka.command]
        kafka.restart()
        prober.until("auth_failed")
        place.file("password", "another", mode=0o600)
        prober.until("up")


def test_certificates_that_change_are_read_again(place, plain):
    certificates = Certificates(place)
    kafka = Kafka(place, plain, "--tls", *certificates.right)
    trusted = place.file("trusted.pem")
    shutil.copy(certificates.wrong[0], trusted)
    with Prober(place, {"url": kafka.url(scheme="kafka+tls"), "caFile": trusted}, timeout=4) as prober:
        prober.until("tls_error")
        shutil.copy(certificates.ca, trusted)
        prober.until("up")
