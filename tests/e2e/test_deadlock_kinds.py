# ctest: timeout=300
# SPDX-License-Identifier: Apache-2.0
"""Each kind of wait in a proof, for glibc and musl, also under a clock's signals; and what only looks like one."""
import os
import signal

import pytest

from lifesign import SUPPORT, call, holds_for, stat, wait_until

THREADS, PROCESSES = os.path.join(SUPPORT, "knot_threads"), os.path.join(SUPPORT, "knot_processes")

# scene: members of the cycle, words of its links
KNOTS = {
    THREADS: {
        "normal": (2, "mutex 0x"), "recursive": (2, "mutex 0x"), "errorcheck": (2, "mutex 0x"), "robust": (2, "mutex 0x"),
        "rwlocks": (2, "read-write lock 0x"), "rwlock_mutex": (2, "read-write lock 0x"), "alone": (1, "mutex 0x"),
        "once": (2, "pthread_once 0x"), "once_again": (1, "pthread_once 0x"), "streams": (2, "the lock of a stdio stream 0x"),
        "stream_calls": (2, "the lock of a stdio stream 0x"), "loader": (2, "mutex 0x")},
    PROCESSES: {
        "shared_mutexes": (2, "mutex 0x"), "flocks": (2, "a file lock (/"), "flock_twice": (1, "a file lock (/"),
        "fcntl_mutex": (2, "a file lock (/"), "child_fcntl": (2, "the end of process"), "any_child": (1, "mutex 0x")},
}
# musl's plain mutexes and its read-write locks do not know who has them
MUSL = {THREADS: ("recursive", "errorcheck", "robust", "once_again", "stream_calls", "streams"),
        PROCESSES: ("shared_mutexes", "flocks", "child_fcntl")}
# only a sleep that was never interrupted shows that a thread outside of all calls stayed where it was
NOT_TICKING = ("streams", "loader")
ALIVE = [(THREADS, "semaphore"), (THREADS, "timed"), (THREADS, "batons"), (THREADS, "once_slowly"),
         (PROCESSES, "fcntls"), (PROCESSES, "flock_inherited"), (THREADS + "-musl", "normal"),
         (THREADS + "-musl", "semaphore"), (THREADS + "-musl", "once_slowly")]


def reason_of(started, code="deadlock"):
    return next((r for r in started.status()["live"]["reasons"] if r["code"] == code), None)


def maps_of(pid):
    with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as maps:
        return maps.read()


@pytest.fixture
def any_counts(place):
    return ["--config", place.file("any.yaml", "liveness: {deadlock: any}\n")]


def all_proven(started):
    """Each {(program, scene): (Run, members, words)} is dead, and its chain closes."""
    def alive():
        return {scene: one.said() for scene, (one, _, _) in started.items() if one.get("/livez").status != 503}
    wait_until(lambda: not alive(), 40, alive, every=0.1)
    for scene, (one, members, words) in started.items():
        reason = reason_of(one)
        chain = reason["chain"]
        assert len(chain) == members and words in reason["detail"], (scene, reason)
        assert [link["owner"] for link in chain] == [link["tid"] for link in chain[1:] + chain[:1]], (scene, chain)
    holds_for(lambda: not alive(), 1, alive, every=0.2)


@pytest.mark.parametrize("program", KNOTS, ids=os.path.basename)
def test_each_kind_of_wait_is_proven(run, any_counts, program):
    all_proven({scene: (run([program, scene], options=any_counts), *knot) for scene, knot in KNOTS[program].items()})


@pytest.mark.parametrize("program", KNOTS, ids=os.path.basename)
def test_a_handler_that_ticks_on_them_hides_nothing(run, any_counts, program):
    all_proven({scene: (run([program, scene, "ticking"], options=any_counts), *knot)
                for scene, knot in KNOTS[program].items() if scene not in NOT_TICKING})


def test_musl(run, any_counts):
    started = {(program, scene): (run([program + "-musl", scene], options=any_counts), *KNOTS[program][scene])
               for program, scenes in MUSL.items() for scene in scenes}
    started["joins"] = (run([os.path.join(SUPPORT, "explain_waits-musl"), "joins"], options=any_counts), 2, "the end of")
    for one, _, _ in started.values():
        wait_until(lambda one=one: all(word in maps_of(one.main()) for word in ("musl", "liblifesign")), 10, one.said)
    all_proven(started)


def test_what_may_still_end_is_not_accused(run, any_counts):
    started = {(program, scene): run([program, scene], options=any_counts) for program, scene in ALIVE}
    for one in started.values():
        wait_until(lambda one=one: "ready" in one.out(), 10, one.said)

    def accused():
        return {scene: one.status()["live"] for scene, one in started.items() if one.get("/livez").text != "ok"}
    holds_for(lambda: not accused(), 5, accused, every=0.1)
    for one in started.values():
        assert not [r for r in one.status()["live"]["reasons"] if r["code"] in ("deadlock", "orphaned_lock")]


def test_a_child_with_a_lock_that_nobody_in_it_holds_is_one_child(run):
    started = run([PROCESSES, "inherited"])
    wait_until(lambda: reason_of(started, "orphaned_lock"), 20, started.status)
    holds_for(lambda: started.get("/livez").status == 200, 2, started.status, every=0.1)
    assert started.get("/livez").headers["Lifesign-Verdict"] == "degraded"
    assert "which does not exist in its process" in reason_of(started, "orphaned_lock")["detail"]


@pytest.mark.parametrize("scene, code", [("child_goes_on", "orphaned_lock"), ("alarm_before", "deadlock")])
def test_who_may_stop_waiting_for_its_child_is_not_behind_it(run, scene, code):
    started = run([PROCESSES, scene])
    wait_until(lambda: reason_of(started, code), 20, started.status)
    main = started.main()
    os.kill(main, signal.SIGSTOP)  # to be woken once is no tick of a timer
    wait_until(lambda: stat(main)[0] == "T", 10, "stopped")
    os.kill(main, signal.SIGCONT)
    holds_for(lambda: started.get("/livez").status == 200, 3, started.status, every=0.1)
    assert started.main() not in reason_of(started, code)["threads"]


def test_a_child_that_is_waited_for_is_not(run):
    started = run([PROCESSES, "inherited_waited_for"])
    wait_until(lambda: started.get("/livez").status == 503, 20, started.status)
    reason = reason_of(started, "orphaned_lock")
    assert started.main() in reason["threads"] and "; 1 thread waits behind it" in reason["detail"]


def test_a_shell_that_waits_for_a_deadlock(run):
    started = run(["sh", "-c", f"{THREADS} alone; true"])
    wait_until(lambda: started.get("/livez").status == 503, 20, started.status)
    assert started.main() in reason_of(started)["threads"]
    shown = call("status", "--dir", started.dir)
    assert shown.returncode == 1 and "deadlock" in shown.stdout
