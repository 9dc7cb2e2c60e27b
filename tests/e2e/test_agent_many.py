# ctest: nightly serial timeout=900
# SPDX-License-Identifier: Apache-2.0
"""1000 services with 50 000 threads on one agent: all join, all are watched, probes are answered; the figures are printed."""
import os
import resource
import statistics
import time

import pytest

from joined import Agent
from lifesign import SUPPORT, holds_for, wait_until

SERVICES, THREADS, PERIOD_MS, SECONDS = 1000, 50, 20000, 30
PID_MAX = "/proc/sys/kernel/pid_max"


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def anonymous_bytes(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("RssAnon:"))


def answer_times(agent, path, count):
    times = []
    for _ in range(count):
        began = time.monotonic()
        assert agent.get(path).status == 200
        times.append(time.monotonic() - began)
    return times


@pytest.fixture
def room_for_pids():
    """Threads have numbers of their own: 32768 are too few."""
    with open(PID_MAX, encoding="ascii") as f:
        before = f.read()
    with open(PID_MAX, "w", encoding="ascii") as f:
        f.write(str(max(int(before), 4 * SERVICES * THREADS)))
    yield
    with open(PID_MAX, "w", encoding="ascii") as f:
        f.write(before)


def test_a_thousand_services(place, capsys, room_for_pids):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
    agent = Agent(place=place)
    try:
        began = time.monotonic()
        for i in range(SERVICES):
            agent.start([os.path.join(SUPPORT, "small_service"), THREADS, PERIOD_MS], service=f"s{i}", joins=False)
        started = time.monotonic() - began

        def all_seen():
            rows = agent.get("/services").json()
            return len(rows) == SERVICES and all(row["pid"] for row in rows)
        wait_until(all_seen, 120, lambda: (len(agent.names()), agent.said()), every=0.5)
        joined = time.monotonic() - began

        def all_threads():
            return sum(agent.status(f"s{i}")["workers"]["live"] for i in range(SERVICES)) == SERVICES * THREADS
        wait_until(all_threads, 120, agent.said, every=1)
        seen = time.monotonic() - began
        wait_until(lambda: agent.get("/readyz").status == 200, 120, agent.said, every=0.5)
        worker = agent.status()["agent"]["pid"]
        before = cpu_seconds(worker), cpu_seconds(agent.pid)
        began, live = time.monotonic(), []

        def ask_now_and_then():
            live.extend(answer_times(agent, "/livez", 1) + answer_times(agent, f"/services/s{len(live) % SERVICES}/livez", 1))
            return True
        holds_for(ask_now_and_then, SECONDS, every=0.05)
        took = time.monotonic() - began
        shares = [(cpu_seconds(pid) - was) / took * 100 for pid, was in zip((worker, agent.pid), before)]
        status = agent.status()["agent"]
        metrics = agent.get("/metrics", timeout=30)
        began = time.monotonic()
        metrics = agent.get("/metrics", timeout=30)
        scraped = time.monotonic() - began
        with capsys.disabled():
            print(f"\n{SERVICES} services, {SERVICES * THREADS} threads: started in {started:.1f} s, all joined after {joined:.1f} s, every thread "
                  f"seen after {seen:.1f} s\nagent {shares[0]:.1f} % of a core, supervisor {shares[1]:.1f} %, anonymous memory "
                  f"{anonymous_bytes(worker) / 1e6:.0f} MB and {anonymous_bytes(agent.pid) / 1e6:.0f} MB\nsweep of all "
                  f"{status['sweep_seconds'] * 1e3:.2f} ms, overruns {status['overruns']}\n/livez median "
                  f"{statistics.median(live) * 1e3:.2f} ms, slowest {max(live) * 1e3:.1f} ms; /metrics {len(metrics.body) / 1e6:.1f} MB in "
                  f"{scraped * 1e3:.0f} ms")
        assert max(live) < 1 and shares[0] < 100
    finally:
        agent.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
