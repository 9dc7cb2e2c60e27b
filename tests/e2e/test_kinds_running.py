# ctest: timeout=300
# SPDX-License-Identifier: Apache-2.0
"""One service that depends on a real server of every kind: all stopped, going on, killed, begun again, cut off behind their
backs, the file changed meanwhile. Each is told rightly and in time, everywhere the same, and comes back by itself."""
import contextlib
import os
import re
import time

import pytest

from depending import Depending
from kinds import GROWTH
from kinds_together import KINDS, NETWORK, Everybody, Watch
from lifesign import wait_until

TIMES = {"periodSeconds": 1, "timeoutSeconds": 2.5, "fastSeconds": 0.2, "failureThreshold": 2}
FALLS = 1.05 + 2 * 2.5 + 0.2  # seconds: until it is asked, and what the threshold costs
SLACK = 10.0                  # for a machine that is busy with other things
UP = {name: ("up", (None,)) for name in KINDS}
HANGS = {**{name: ("down", ("timeout", "connect_timeout")) for name in KINDS}, "dns": ("down", ("dns_timeout",)), "exec": ("down", ("timeout",))}
GONE = {**{name: ("down", ("refused",)) for name in KINDS}, "exec": ("down", ("not_ready",))}
PARTED = {**UP, **{name: ("down", ("connect_timeout",)) for name in NETWORK}}
WORDS = {1: "up", 0: "down", None: "unknown"}


def size_of(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as f:
        pages = int(f.read().split()[1])
    return len(os.listdir(f"/proc/{pid}/fd")), len(os.listdir(f"/proc/{pid}/task")), pages * 4096


def metrics(service, name):
    """{(dependency, its result or phase): number}"""
    found = {}
    for labels, number in re.findall(rf"^lifesign_{name}{{(.*)}} (\S+)$", service.run.get("/metrics").body.decode(), re.M):
        of = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        found[of["dependency"], of.get("result") or of.get("phase")] = float(number)
    return found


def everywhere(service):
    """{name: (status, error)} of each place that tells, completed from /health/status where one has no word for it."""
    said = {d["name"]: (d["status"], d["error"]) for d in service.status()["dependencies"]}
    checks = service.run.get("/health", headers={"X-Forwarded-For": "10.1.1.1"}).json()["checks"]
    up, ready, available = metrics(service, "dependency_up"), service.checks(), service.status()["available"]
    return {"status": said,
            "health": {key.split(":")[0]: (rows[0]["state"], rows[0].get("output")) for key, rows in checks.items()
                       if key.endswith(":responseTime")},
            "metrics": {name: (WORDS[up.get((name, None))], error) for name, (_, error) in said.items()},
            "readyz": {name: ("down" if ready.get(name) else "up", ready.get(name)) for name in said},
            "available": {name: (WORDS[available.get(name)], error) for name, (_, error) in said.items()}}


def until_all(service, expected, seconds=60):
    """Each of `expected` {name: (status, errors)} is said, everywhere alike, and readiness follows."""
    def right():
        found = everywhere(service)
        return all(told == found["status"] for told in found.values()) and set(found["status"]) == set(expected) and all(
            status == expected[name][0] and error in expected[name][1] for name, (status, error) in found["status"].items())
    wait_until(right, seconds, lambda: f"{expected}, but {everywhere(service)} {service.said()}", every=0.1)
    service.until_ready(all(status == "up" for status, _ in expected.values()))


@contextlib.contextmanager
def depending(run, place, everybody):
    """(service, watch) with all of them up; at its end the prober is the same and no bigger."""
    service = Depending(run, place, [everybody.dependency(name) for name in KINDS], readiness=TIMES)
    until_all(service, UP)
    prober = service.until_prober()
    fds, threads, rss = size_of(prober)
    with Watch(service) as watch:
        yield service, watch
    assert service.prober() == prober, service.said()
    wait_until(lambda: size_of(prober)[0] <= fds + 2 and size_of(prober)[1] <= threads, 10, lambda: (fds, threads, size_of(prober)))
    assert size_of(prober)[2] < rss + GROWTH
    print("livez", max(watch.times), "prober", (fds, threads, rss), size_of(prober))


def in_time(watch, began, names, what):
    """None took too long to fall."""
    wait_until(lambda: set(watch.fell) >= set(names), 20, lambda: watch.fell)  # it looks less often than who has seen them fall
    took = watch.took(began, watch.fell)
    print("fell,", what, took)
    assert max(took.values()) < FALLS + SLACK, took


def all_rise(service, watch, what):
    began = time.monotonic()
    until_all(service, UP)
    print("rose,", what, watch.took(began, watch.rose))


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_stopped_killed_and_begun_again(run, place, plain, tls):
    with Everybody(place, plain, tls) as everybody, depending(run, place, everybody) as (service, watch):
        watch.forget()
        with everybody.stopped():
            began = time.monotonic()
            until_all(service, HANGS)
            in_time(watch, began, KINDS, "stopped")
            assert service.status()["live"]["verdict"] == "alive"
            watch.forget()
        all_rise(service, watch, "going on")
        began = watch.forget()
        everybody.kill()
        until_all(service, GONE)
        in_time(watch, began, KINDS, "killed")
        everybody.start()
        watch.forget()
        all_rise(service, watch, "begun again")
        counted = metrics(service, "dependency_probes_total")
        assert all(counted[name, "timeout"] >= 2 and counted[name, "failure"] >= 2 and counted[name, "success"] >= 3 for name in KINDS), counted


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_cut_off_behind_their_backs_and_the_file_changed_meanwhile(run, place, plain, tls):
    with Everybody(place, plain, tls, wires=True) as everybody, depending(run, place, everybody) as (service, watch):
        lose_what_is_open(service, watch, everybody)
        part(service, watch, everybody)
        change_the_file(service, watch, everybody)


def lose_what_is_open(service, watch, everybody):
    """What is open is dead, without a word: one question is lost, the next one takes a new connection."""
    counted, opened, began = metrics(service, "dependency_probes_total"), everybody.opened(), watch.forget()
    keep = set(NETWORK) - {"tcp"}  # which keeps no connection
    for wire in everybody.wires.values():
        wire.freeze()

    def all_have_timed_out():
        now = metrics(service, "dependency_probes_total")
        return all(now[name, "timeout"] > counted[name, "timeout"] for name in keep)
    wait_until(all_have_timed_out, FALLS + SLACK, service.said)
    wait_until(lambda: all(d["consecutive_successes"] for d in service.status()["dependencies"]), FALLS + SLACK, service.said)
    print("fell, lost:", watch.took(began, watch.fell), "took", time.monotonic() - began)
    assert [name for name in NETWORK if everybody.wires[name].opened <= opened[name]] == []
    until_all(service, UP)


def part(service, watch, everybody):
    """Nothing comes through any more, and nobody says no."""
    began = watch.forget()
    for wire in everybody.wires.values():
        wire.part()
    until_all(service, PARTED)
    in_time(watch, began, NETWORK, "parted")
    watch.forget()
    for wire in everybody.wires.values():
        wire.heal()
    all_rise(service, watch, "healed")


def change_the_file(service, watch, everybody):
    """Two hang; one of them is taken out, somebody new comes in: the others do not notice."""
    hanging = ("mysql", "kafka")
    dependencies = {name: everybody.dependency(name) for name in KINDS}
    with everybody.stopped(*hanging):
        for name in hanging:
            service.until(name, "down", "timeout")
        opened, threads = everybody.opened(), size_of(service.prober())[1]
        seen = watch.forget()
        kept = {d["name"]: d for d in service.status()["dependencies"] if d["name"] != "kafka"}
        seen = seen, time.monotonic()
        extra = {**dependencies["tcp"], "name": "extra"}
        service.write([*(one for name, one in dependencies.items() if name != "kafka"), extra], readiness=TIMES)
        service.until("extra", "up")
        wait_until(lambda: service.of("kafka") is None, 20, service.said)
        wait_until(lambda: size_of(service.prober())[1] < threads, 20, lambda: f"{threads} threads, {size_of(service.prober())}")
        for name, was in kept.items():
            began = time.monotonic()
            still_known(service.of(name), was, (began - seen[1], time.monotonic() - seen[0]))
        now = everybody.opened()
        assert {name for name in NETWORK if now[name] != opened[name]} <= {"tcp", *hanging}
        assert not service.ready() and set(watch.unsure) <= {"extra"}
    service.until("mysql", "up")
    service.until_ready()
    service.write(list(dependencies.values()), readiness=TIMES)
    until_all(service, UP)


def still_known(now, was, passed):
    assert (now["status"], now["error"]) == (was["status"], was["error"]), (was, now)
    assert passed[0] - 1 < now["since_seconds"] - was["since_seconds"] < passed[1] + 1, (was, now, passed)
    count = "consecutive_failures" if was["status"] == "down" else "consecutive_successes"
    assert now[count] >= was[count] > 0, (was, now)
