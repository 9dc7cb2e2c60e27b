# ctest: nightly timeout=3600
# SPDX-License-Identifier: Apache-2.0
"""A thousand ends of the prober, by its own fault or others', and ten thousand cycles over black holes: nobody notices, and
nothing grows."""
import concurrent.futures
import contextlib
import os
import random
import signal
import threading
import time

from depending import Answers, Depending, in_place_of_resolv_conf, mute_dns, with_prober
from lifesign import BIN, Place, wait_until
from mixed_holes import KINDS, Mixed

DEATHS = 1000
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs", "hostile_prober.py"), encoding="utf-8") as program:
    HOSTILE = program.read()
CYCLES = int(os.environ.get("LIFESIGN_PROBE_CYCLES", "10000"))
LIVES = 1.1  # seconds: who ends sooner is started again more and more seldom
SELDOM = 4  # what has been down for more than a hundred questions is asked in every fourth cycle


def size_of(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as f:
        pages = int(f.read().split()[1])
    return {"fds": len(os.listdir(f"/proc/{pid}/fd")), "threads": len(os.listdir(f"/proc/{pid}/task")), "rss": pages * 4096}


class Asking:
    """Asks /livez and /readyz all the time: the slowest answer, and every one that was not as wanted."""

    def __init__(self, run, ready=200):
        self.run, self.slowest, self.wrong, self.count, self.over = run, 0, [], 0, False
        self.wanted = (("/livez", 200), ("/readyz", ready))
        self.pause = threading.Event()
        self.thread = threading.Thread(target=self._ask, daemon=True)
        self.thread.start()

    def _ask(self):
        while not self.over:
            for path, wanted in self.wanted:
                began = time.monotonic()
                status = self.run.get(path).status
                self.slowest = max(self.slowest, time.monotonic() - began)
                self.count += 1
                if status != wanted:
                    self.wrong.append((path, status))
            self.pause.wait(0.02)

    def stop(self):
        self.over = True
        self.thread.join(10)
        assert not self.wrong and self.slowest < 1 and self.count > 100, (self.wrong[:5], self.slowest, self.count)


@contextlib.contextmanager
def nobody_notices(service, ready=200):
    agent = service.status()["agent"]["pid"]
    before = {pid: size_of(pid) for pid in (agent, service.run.pid)}
    asking = Asking(service.run, ready)
    yield
    asking.stop()
    assert service.status()["agent"]["pid"] == agent
    for pid, was in before.items():
        now = size_of(pid)
        assert now["fds"] <= was["fds"] + 1 and now["threads"] == was["threads"] and now["rss"] < was["rss"] + (2 << 20), (was, now)


def killed_and_stopped(run, number, deaths):
    """The real prober: killed, or stopped, which is found out after two seconds; in between it has answered."""
    place, chance = Place(), random.Random(number)
    try:
        with Answers() as server:
            service = Depending(run, place, [server.dependency("db", **{"class": "hard"})])
            service.until("db", "up")
            service.until_ready()
            with nobody_notices(service):
                for _ in range(deaths):
                    pid = service.until_prober(seconds=60)
                    asked, since = server.asked, time.monotonic()
                    wait_until(lambda least=asked, at=since: server.asked > least and time.monotonic() > at + LIVES, 60, service.said)
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, chance.choice([signal.SIGKILL] * 4 + [signal.SIGSTOP]))
                    wait_until(lambda which=pid: service.prober() != which, 30, service.said)
                service.until("db", "up", seconds=60)
            service.run.close()
            return deaths
    finally:
        place.remove()


def wrong_ones(run, number, deaths):
    """Nothing is known of the dependency, all the time, and nothing else happens."""
    place = Place()
    try:
        service = Depending(run, place, [{"name": "db", "url": "tcp://127.0.0.1:1", "class": "hard"}], program=with_prober(place, HOSTILE))
        starts = place.file("copy/bin/starts")
        wait_until(lambda: os.path.exists(starts), 20, service.said)
        with nobody_notices(service, ready=503):
            wait_until(lambda: os.path.getsize(starts) >= deaths, 10 + 4 * deaths, lambda: f"{os.path.getsize(starts)} of {deaths}", every=1)
        assert service.of("db")["status"] == "unknown", number
        service.run.close()
        return deaths
    finally:
        place.remove()


def test_a_thousand_ends_of_the_prober_leave_no_trace(run):
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        share = DEATHS // 4
        work = [pool.submit(what, run, number, share) for number, what in enumerate([killed_and_stopped] * 2 + [wrong_ones] * 2)]
        ends = sum(one.result() for one in work)
    print(f"\n{ends} ends in {time.monotonic() - began:.0f} s")
    assert ends == DEATHS and os.path.exists(BIN)


def test_ten_thousand_cycles_over_black_holes_leave_no_trace(run, place):
    """Two of each kind."""
    with Mixed(2 * len(KINDS)) as holes, mute_dns(place):
        service = Depending(run, place, holes.dependencies, wrap=in_place_of_resolv_conf(place),
                            readiness={"periodSeconds": 0.1, "timeoutSeconds": 0.05, "fastSeconds": 60})

        def asked():
            return min((d["consecutive_failures"] for d in service.status()["dependencies"]), default=0)
        wait_until(lambda: asked() > 200, 300, service.said, every=0.5)
        prober = service.until_prober()
        before = size_of(prober)
        with nobody_notices(service):
            first = asked()
            wait_until(lambda: asked() > first + CYCLES / SELDOM, 3400, service.said, every=1)
        after = size_of(prober)
        print(f"\n{(asked() - first) * SELDOM} cycles: {before} {after}")
        assert service.prober() == prober, service.said()
        assert after["fds"] <= before["fds"] + len(holes.dependencies) and after["threads"] <= before["threads"] + 4, (before, after)
        assert after["rss"] < before["rss"] + (4 << 20), (before, after)
