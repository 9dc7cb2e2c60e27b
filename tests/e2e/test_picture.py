# ctest: serial timeout=200
# SPDX-License-Identifier: Apache-2.0
"""At the first dead the whole picture is in the log, once, and one paragraph in /dev/termination-log, whatever it is dead of."""
import contextlib
import json
import os

import asleep
from lifesign import SUPPORT, holds_for, wait_until

WAITS = os.path.join(SUPPORT, "explain_waits")
NOTE = "/dev/termination-log"


def is_dead(started):
    return lambda: (p := started.try_get("/livez")) and p.status == 503


@contextlib.contextmanager
def termination_log():
    with open(NOTE, "x", encoding="ascii"):  # as the kubelet makes it
        pass
    try:
        yield
    finally:
        os.unlink(NOTE)


def picture(started, last=""):
    """Its lines, once there is one with `last` in it."""
    lines = [line for line in started.err().splitlines() if line.startswith("lifesign:   ") or "all that is seen" in line]
    return [line.split(": ", 1)[1] for line in lines if any(last in line for line in lines)]


def test_a_deadlock_in_lines(run):
    started = run([WAITS, "abba"])
    wait_until(is_dead(started), 60, started.said)
    lines = wait_until(lambda: picture(started, "(at home)"), 60, started.said)
    status = started.status()
    chain = next(r for r in status["live"]["reasons"] if r["code"] == "deadlock")
    assert "is found dead (deadlock)" in lines[0]
    assert any(f"process {started.main()} explain_waits (main, coverage shim): 5 threads" in line for line in lines)
    for thread in chain["threads"]:
        assert any(f"({thread})" in line and "pthread_mutex_lock for" in line and "held by" in line for line in lines), lines
    assert any(f"({started.main()})" in line and "(at home)" in line for line in lines), lines
    os.kill(started.agent(), 9)
    wait_until(is_dead(started), 60, started.said)
    holds_for(lambda: started.err().count("this is all that is seen of it") == 1, 1, started.said)  # the next agent does not repeat it


def test_a_deadlock_in_json(run):
    started = run([WAITS, "abba"], options=["--log-format", "json"])
    wait_until(is_dead(started), 60, started.said)
    lines = [json.loads(line) for line in wait_until(lambda: '"picture"' in started.err() and started.err(), 60, started.said).splitlines()]
    line, = [one for one in lines if one["event"] == "picture"]
    assert (line["level"], line["probe"], line["reason"]) == ("warn", "live", "deadlock") and "waits for mutex" in line["detail"]
    threads = line["picture"]["threads"]
    assert sum(t["count"] for t in threads) == 5 and line["picture"]["threads_left_out"] == 0
    stuck = [t for t in threads if t["op"] == "pthread_mutex_lock"]
    assert stuck == threads[:2] and all(t["waits_for"]["kind"] == "lock" and not t["home"] for t in stuck)
    assert {t["waits_for"]["owner"] for t in stuck} <= {tid for t in stuck for tid in t["tids"]}


def test_a_blocked_loop_with_what_waits_for_it(run, place):
    limits = place.file("limits.yaml", "liveness: {loopBlockedSeconds: 2, noProgressSeconds: 60}\n")
    with termination_log():
        service, started = asleep.start(run, place, ["--config", limits])
        asleep.sleep_until(service, is_dead(started))
        lines = wait_until(lambda: picture(started, "loop, ") and picture(started, "listener "), 60, started.said)
        with open(NOTE, encoding="ascii") as f:
            mine = wait_until(lambda: [n for n in f if f"({started.main()})" in n], 60)  # others on this machine may be dying, too
    assert "is found dead (loop_blocked)" in lines[0]
    assert any(f"listener 127.0.0.1:{service.port} of process {started.main()}: " in line for line in lines), lines
    assert any("bytes that nobody reads" in line for line in lines) or any(": 1 connections wait" in line for line in lines), lines
    assert any(f"redis-server ({started.main()}) of process {started.main()}: loop, " in line and "sleep for" in line for line in lines), "\n".join(lines)
    assert mine[0].startswith("lifesign: svc is dead (loop_blocked): the loop is blocked for ") and "redis-server" in mine[0], mine


def test_observing_it_is_told_too(run):
    started = run([WAITS, "abba"], options=["--observe"])
    lines = wait_until(lambda: picture(started), 60, started.said)
    assert "is found dead (deadlock)" in lines[0] and started.get("/livez").status == 200
