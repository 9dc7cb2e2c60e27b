# ctest: timeout=240
# SPDX-License-Identifier: Apache-2.0
"""failOpen: a service stays ready while what is down is down for all, as its hard dependencies or its siblings show."""
import time

import pytest

from depending import Answers, Depending, part_of, refused
from lifesign import free_port, holds_for, wait_until


def test_all_hard_ones_down_fails_open_when_asked_for(run, place):
    with Answers() as server:
        server.answering = False
        away = {"name": "b", "url": f"tcp://localhost:{free_port()}", "class": "hard"}
        service = Depending(run, place, [server.dependency("a", **{"class": "hard"}), away],
                            failOpen={"allHardDown": True})
        service.until("a", "down")
        service.until("b", "down")
        service.until_ready()
        codes = {r["code"] for r in service.status()["ready"]["reasons"]}
        assert codes == {"dependency_down", "fail_open"} and service.status()["status"] == "warn"
        assert not [why for why in service.checks().values() if why]
        server.answering = True
        service.until("a", "up")
        service.until_ready(False)  # one of two is this service's own fault


def test_hard_ones_on_one_host_do_not_fail_open(run, place):
    service = Depending(run, place, [refused("a", **{"class": "hard"}), refused("b", **{"class": "hard"})],
                        failOpen={"allHardDown": True})
    service.until("b", "down")
    service.until("a", "down")
    holds_for(lambda: not service.ready(), 1)


def test_siblings_who_fail_as_well_keep_it_ready(run, place):
    """Three replicas that share a database, one of which has another one besides."""
    ports = [free_port() for _ in range(3)]

    def others(i):
        siblings = [f"127.0.0.1:{port}" for port in ports if port != ports[i]]
        return {"peers": siblings if i else ",".join(siblings), "peerShare": 0.6}
    with Answers() as shared, Answers() as own:
        more = [[], [], [own.dependency("own", **{"class": "hard"})]]
        replicas = [Depending(run, part_of(place, f"r{i}"), [shared.dependency("db", **{"class": "hard"}), *more[i]],
                              listen=f"127.0.0.1:{ports[i]}", service=f"r{i}", failOpen=others(i), readiness={"timeoutSeconds": 2}) for i in range(3)]
        for one in replicas:
            one.until("peers", "up")
            one.until_ready()
        own.answering = False
        replicas[2].until_ready(False)  # alone with it: its own fault
        assert replicas[0].ready() and replicas[0].until("peers", "up")["value"] in (0, 0.5)
        own.answering = True
        replicas[2].until_ready()
        shared.answering = False
        for one in replicas:
            one.until("db", "down", "timeout")
        wait_until(lambda: all(one.of("peers")["value"] == 1 for one in replicas), 15, replicas[0].said)
        for one in replicas:
            one.until_ready()
            assert "fail_open" in {r["code"] for r in one.status()["ready"]["reasons"]}
        holds_for(lambda: all(one.ready() for one in replicas), 2, replicas[0].said, every=0.1)
        shared.answering = True
        for one in replicas:
            one.until("db", "up")
            wait_until(lambda which=one: which.status()["status"] == "pass", 10, one.said)


def test_who_sees_a_fall_first_tells_its_siblings_and_stays(run, place):
    """Each would look up to a minute later by itself; the first one to look does not leave while the others find out."""
    ports = [free_port() for _ in range(4)]
    slow = {"periodSeconds": 60, "timeoutSeconds": 3, "fastSeconds": 0.5, "failureThreshold": 4}
    with Answers() as shared:
        db = shared.dependency("db", **{"class": "hard"})
        opens = [{"peers": [f"127.0.0.1:{other}" for other in ports if other != port], "peerShare": 0.6} for port in ports]
        replicas = [Depending(run, part_of(place, f"r{i}"), [db], listen=f"127.0.0.1:{port}", service=f"r{i}", failOpen=opens[i])
                    for i, port in enumerate(ports)]
        for one, fail_open in zip(replicas, opens):
            one.until("peers", "up")
            one.until_ready()
            one.write([db], readiness=slow, failOpen=fail_open)
            wait_until(lambda which=one: which.status()["agent"]["config_generation"] == 1, 10, one.said)
        shared.answer = b"NO\n"
        assert replicas[0].run.get("/health?suspect").status == 200
        left = set()

        def all_know():
            left.update(one.run.port for one in replicas if not one.ready())
            return all(one.of("db")["status"] == "down" for one in replicas)
        wait_until(all_know, 20, lambda: [one.said() for one in replicas])
        assert not left
        for one in replicas:
            wait_until(lambda which=one: "fail_open" in {r["code"] for r in which.status()["ready"]["reasons"]}, 10, one.said)


@pytest.mark.parametrize("heard", [True, False])
def test_suspicions_are_heard_once_in_fast_seconds(run, place, heard):
    fail_open = {"failOpen": {"peers": f"127.0.0.1:{free_port()}"}} if heard else {}
    with Answers() as server:
        service = Depending(run, place, [server.dependency("db", **{"class": "hard"})],
                            readiness={"periodSeconds": 600, "timeoutSeconds": 3, "fastSeconds": 0.5}, **fail_open)
        service.until_ready()
        before, began = server.asked, time.monotonic()
        holds_for(lambda: service.run.get("/health?suspect").status == 200, 3)
        asked = server.asked - before
        assert (2 if heard else 0) <= asked <= (2 * (time.monotonic() - began) + 2 if heard else 1)  # one cycle may come


def test_siblings_that_do_not_answer_open_nothing(run, place):
    service = Depending(run, place, [refused("db", **{"class": "hard"})], failOpen={"peers": f"127.0.0.1:{free_port()}"})
    service.until("db", "down")
    assert service.until("peers", "down")["class"] == "info"
    holds_for(lambda: not service.ready(), 1)
