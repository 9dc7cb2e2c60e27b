# ctest: serial timeout=300
# SPDX-License-Identifier: Apache-2.0
"""Proven deadlocks and orphaned locks: found within 2 s, with the chain, whatever else the threads do; nothing else accused."""
import os
import statistics
import time

import pytest

from lifesign import SUPPORT, call, holds_for, wait_until

WAITS = os.path.join(SUPPORT, "explain_waits")

DEAD = {"abba": ("deadlock", 2), "abba_ticking": ("deadlock", 2), "three": ("deadlock", 3),
        "joins": ("deadlock", 2)}
# workers that nobody waits for: not critical, so dead only when the user says so
ALONE = {"self": ("deadlock", 1), "reacquire": ("deadlock", 2), "orphan": ("orphaned_lock", 1)}
# robust: the next one is told; inheriting: the kernel refuses; the others wait for what may still come
ALIVE = ["healthy", "robust", "rwlock_reader", "rwlock_writer", "full_pipe", "flock", "unix_pair", "spin", "stream"]


def scene_of(name):
    return [os.path.join(SUPPORT, "lock_reacquire")] if name == "reacquire" else [WAITS, name]


def is_mapped(pid):
    with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as maps:
        return "liblifesign" in maps.read()


@pytest.mark.parametrize("scene", ALONE)
def test_a_worker_alone_degrades(run, scene):
    started = run(scene_of(scene))
    page = wait_until(lambda: (p := started.get("/livez")).headers["Lifesign-Verdict"] == "degraded" and p, 20, started.status)
    assert page.status == 200
    assert [r["code"] for r in started.status()["live"]["reasons"]] == [ALONE[scene][0]]


@pytest.mark.parametrize("scene", [*DEAD, *ALONE])
def test_found_with_its_chain(run, place, scene):
    code, length = {**DEAD, **ALONE}[scene]
    started = run(scene_of(scene), options=["--config", place.file("any.yaml", f"liveness: {{deadlock: {'any' if scene in ALONE else 'critical'}}}\n")])
    main = started.main()
    page = wait_until(lambda: (p := started.get("/livez")).status == 503 and p, 20, lambda: (started.status(), started.said()))
    assert f"[-]{code} failed: {code}" in page.text and page.headers["Lifesign-Verdict"] == "dead"
    status = started.status()
    reason = next(r for r in status["live"]["reasons"] if r["code"] == code)
    assert len(reason["chain"]) == length and set(link["tid"] for link in reason["chain"]) <= set(reason["threads"])
    wait_until(lambda: {t["tid"] for t in started.threads() if t["why"] == reason["code"]} == set(reason["threads"]), 15, started.status)
    if code == "deadlock":  # each holds what the one before waits for, and the last what the first does
        owners, tids = [link["owner"] for link in reason["chain"]], [link["tid"] for link in reason["chain"]]
        assert owners == tids[1:] + tids[:1]
    assert started.get("/readyz").status == 503
    assert status["workers"]["stuck"] >= length
    said = wait_until(lambda: f"lifesign: {code}: " in started.err() and started.err(), 15, started.said)
    assert is_mapped(main) and reason["detail"].split(" (")[0] in said
    shown = call("status", "--dir", started.dir)
    assert shown.returncode == 1 and code in shown.stdout
    holds_for(lambda: started.get("/livez").status == 503, 1)


def test_what_may_still_end_is_no_deadlock(run):
    started = {scene: run(scene_of(scene)) for scene in ALIVE}
    for one in started.values():
        wait_until(lambda one=one: "ready" in one.out(), 10, one.said)

    def accused():
        return {scene: one.status()["live"] for scene, one in started.items() if one.get("/livez").text != "ok"}
    holds_for(lambda: not accused(), 4, accused, every=0.1)
    for one in started.values():
        assert not one.status()["live"]["reasons"]


def test_deadlock_off_any_and_observe(run, place):
    off = run([WAITS, "abba"], options=["--config", place.file("off.yaml", "liveness: {deadlock: off}\n")])
    observed = run([WAITS, "abba"], options=["--observe"])
    wait_until(lambda: [r["held"] for r in observed.status()["live"]["reasons"]] == ["observe"], 20, observed.status)
    assert observed.get("/livez").status == 200 and observed.get("/readyz").status == 503
    assert off.get("/livez").text == "ok" and not off.status()["live"]["reasons"]


def test_a_container_says_why_it_was_killed(run):
    place = "/dev/termination-log"
    with open(place, "x", encoding="ascii") as f:  # as the kubelet makes it
        f.write("")
    try:
        started = run([WAITS, "abba"])
        wait_until(lambda: started.get("/livez").status == 503, 10, started.status)
        with open(place, encoding="ascii") as f:
            said = wait_until(f.read, 5)
    finally:
        os.unlink(place)
    assert said.startswith("lifesign: svc is dead (deadlock): ") and said.count("waits for mutex") == 2 and said.endswith("\n")
    assert "(journal, explain_waits+0x" in said and "(accounts, explain_waits+0x" in said


def test_the_next_agent_finds_it_again(run):
    started = run([WAITS, "abba"])
    wait_until(lambda: started.get("/livez").status == 503, 10, started.status)
    os.kill(started.agent(), 9)
    wait_until(lambda: (p := started.try_get("/livez")) and p.status == 503, 15, started.said)


def test_two_of_many_in_a_pool_only_degrade(run):
    started = run([os.path.join(SUPPORT, "pool_of_ten")])
    page = wait_until(lambda: (p := started.get("/livez")).headers["Lifesign-Verdict"] == "degraded" and p, 20, started.status)
    assert page.status == 200
    assert [r["code"] for r in started.status()["live"]["reasons"]] == ["deadlock"]


def test_within_two_seconds_also_on_a_busy_machine(run, capsys):
    busy = [run([WAITS, "spin"], service=f"busy{i}") for i in range(2)]
    took = []
    for _ in range(10):
        started = run([WAITS, "abba"])
        wait_until(lambda: "ready" in started.out(), 10, started.said, every=0.005)
        began = time.monotonic()
        wait_until(lambda: started.get("/livez").status == 503, 10, started.said, every=0.01)
        took.append(time.monotonic() - began)
        started.stop()
    with capsys.disabled():
        print(f"\ndeadlock found after {statistics.median(took):.2f} s (median), {max(took):.2f} s (slowest of {len(took)}) beside {len(busy)} "
              "that spin")
    assert statistics.median(took) < 2  # one that took longer may tell of the machine only
