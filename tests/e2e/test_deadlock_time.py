# ctest: serial nightly timeout=1800
# SPDX-License-Identifier: Apache-2.0
"""How soon 200 deadlocks of all kinds are found, on an idle machine and with every core busy: prints median and p99."""
import os
import statistics
import time

import pytest

from lifesign import SUPPORT, holds_for, wait_until

RUNS = 200
WAITS, THREADS, PROCESSES = (os.path.join(SUPPORT, name) for name in ("explain_waits", "knot_threads", "knot_processes"))
SCENES = [(WAITS, "abba"), (WAITS, "three"), (WAITS, "joins"), (THREADS, "recursive"), (THREADS, "rwlocks"), (THREADS, "once"),
          (THREADS, "streams"), (THREADS, "loader"), (PROCESSES, "shared_mutexes"), (PROCESSES, "flocks"), (PROCESSES, "child_fcntl"),
          (THREADS, "normal", "ticking")]


def found_after(run, scene, config):
    started = run(scene, options=["--config", config])
    wait_until(lambda: "ready" in started.out(), 10, started.said, every=0.002)
    began = time.monotonic()
    wait_until(lambda: started.get("/livez").status == 503, 20, started.said, every=0.01)
    took = time.monotonic() - began
    started.close()
    return took


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_how_soon(run, plain, place, capsys, busy):
    config = place.file("any.yaml", "liveness: {deadlock: any}\n")
    for _ in range(os.cpu_count() if busy else 0):
        plain([WAITS, "spin"])
    took = [(found_after(run, SCENES[n % len(SCENES)], config), SCENES[n % len(SCENES)][1]) for n in range(RUNS)]
    times = sorted(seconds for seconds, _ in took)
    slowest = {}
    for seconds, scene in took:
        slowest[scene] = max(slowest.get(scene, 0), seconds)
    with capsys.disabled():
        print(f"\n{RUNS} deadlocks, {'every core busy' if busy else 'idle'}: median {statistics.median(times):.2f} s, "
              f"p99 {times[RUNS * 99 // 100 - 1]:.2f} s, slowest {times[-1]:.2f} s; slowest of each: "
              + ", ".join(f"{scene} {seconds:.2f}" for scene, seconds in sorted(slowest.items())))
    assert times[RUNS * 99 // 100 - 1] < 4  # the goal is 2; a machine that others use, too, is no ruler


def test_a_lock_that_goes_from_hand_to_hand_makes_no_cycle_of_old_news(run, place):
    config = place.file("any.yaml", "liveness: {deadlock: any}\n")
    started = [run([THREADS, "batons"], options=["--config", config]) for _ in range(12)]
    holds_for(lambda: not [one.said() for one in started if "deadlock" in one.err()], 120, every=1)
