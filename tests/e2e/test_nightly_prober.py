# ctest: nightly timeout=3000
# SPDX-License-Identifier: Apache-2.0
"""The prober killed and stopped hundreds of times, and thousands of cycles over black holes: nobody notices, nothing grows."""
import contextlib
import os
import random
import signal
import threading
import time

from depending import Answers, Depending
from kinds import Faulty, black_hole, silent
from lifesign import wait_until

DEATHS = 300
CYCLES = 2000


def size_of(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as f:
        pages = int(f.read().split()[1])
    return {"fds": len(os.listdir(f"/proc/{pid}/fd")), "threads": len(os.listdir(f"/proc/{pid}/task")), "rss": pages * 4096}


class Asking:
    """Asks /livez and /readyz all the time: the slowest answer, and every one that was not 200."""

    def __init__(self, run):
        self.run, self.slowest, self.wrong, self.count, self.over = run, 0, [], 0, False
        self.pause = threading.Event()
        self.thread = threading.Thread(target=self._ask, daemon=True)
        self.thread.start()

    def _ask(self):
        while not self.over:
            for path in ("/livez", "/readyz"):
                began = time.monotonic()
                status = self.run.get(path).status
                self.slowest = max(self.slowest, time.monotonic() - began)
                self.count += 1
                if status != 200:
                    self.wrong.append((path, status))
            self.pause.wait(0.01)

    def stop(self):
        self.over = True
        self.thread.join(10)


def test_deaths_of_the_prober_leave_no_trace(run, place):
    with Answers() as server:
        service = Depending(run, place, [server.dependency("db", **{"class": "hard"})])
        service.until("db", "up")
        service.until_ready()
        agent = service.status()["agent"]["pid"]
        before = {pid: size_of(pid) for pid in (agent, service.run.pid)}
        asking = Asking(service.run)
        chance = random.Random(1)
        for _ in range(DEATHS):
            pid = service.until_prober(seconds=60)
            asked = server.asked
            wait_until(lambda: server.asked > asked, 60, service.said)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, chance.choice([signal.SIGKILL, signal.SIGSEGV, signal.SIGKILL, signal.SIGKILL]))
            wait_until(lambda which=pid: service.prober() != which, 10, service.said)
        asking.stop()
        service.until("db", "up", seconds=60)
        assert not asking.wrong and asking.slowest < 1 and asking.count > DEATHS, (asking.wrong[:5], asking.slowest)
        assert service.status()["agent"]["pid"] == agent
        for pid, was in before.items():
            now = size_of(pid)
            assert now["fds"] <= was["fds"] + 1 and now["threads"] == was["threads"] and now["rss"] < was["rss"] + (2 << 20), (was, now)


def test_cycles_over_black_holes_leave_no_trace(run, place):
    with contextlib.ExitStack() as stack:
        holes = [stack.enter_context(black_hole()) for _ in range(4)]
        mute = stack.enter_context(Faulty(silent))
        urls = [f"tcp://127.0.0.1:{port}" for port in holes]
        urls += [f"{scheme}127.0.0.1:{mute.port}" for scheme in ("redis://", "postgresql://x@", "http://", "nats://", "mysql://x@")]
        dependencies = [{"name": f"d{i}", "url": url, "needs": []} for i, url in enumerate(urls)]
        for one in dependencies:
            del one["needs"]
        service = Depending(run, place, dependencies, readiness={"periodSeconds": 0.1, "timeoutSeconds": 0.05, "fastSeconds": 60})
        service.until("d0", "down")
        prober = service.until_prober()

        def cycles():
            return min(d["consecutive_failures"] for d in service.status()["dependencies"])
        wait_until(lambda: cycles() > 100, 120, service.said, every=0.5)
        before = size_of(prober)
        wait_until(lambda: cycles() > CYCLES, 2400, service.said, every=1)
        after = size_of(prober)
        assert service.prober() == prober, service.said()
        assert after["fds"] <= before["fds"] + len(urls) and after["threads"] == before["threads"], (before, after)
        assert after["rss"] < before["rss"] + (4 << 20), (before, after)
