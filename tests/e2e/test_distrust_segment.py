# ctest: asan timeout=400
# SPDX-License-Identifier: Apache-2.0
"""A process of the service writes whatever it likes over the segment, and nothing comes of it: the service answers
rightly, supervisor and agent live, /livez answers in time and never says dead."""
import os
import signal
import subprocess

import pytest

import distrust
import lifesign
from distrust import SCRIBBLE, Watch, redis_beside, unharmed
from lifesign import children, comm, mapped, wait_until

WAYS = "random zeroes ones claims deadlock operations indexes future backwards names generations taken frames header".split()


@pytest.mark.parametrize("way", ["all", *WAYS])
def test_whatever_is_written_harms_nobody(run, place, way):
    words = [] if way == "all" else [way]
    started, service = redis_beside(run, place, [SCRIBBLE, 3000 if way == "all" else 600, 7, *words])
    with Watch(started) as watch:
        wait_until(lambda: f"done {3000 if way == 'all' else 600}" in started.out(), 60, started.said)
        unharmed(started, service, rounds=20)
    watch.judge()
    distrust.end(started)


def test_an_agent_that_starts_in_the_middle_of_it_comes_up(run, place):
    """Its supervisor mends the header first; the rest it has to bear."""
    started, service = redis_beside(run, place, [SCRIBBLE, 10**9, 3])
    with Watch(started, restarts=3) as watch:
        for killed in range(1, 4):
            agent = started.agent()
            os.kill(agent, signal.SIGKILL)
            started.next_agent(agent)
            assert started.status()["agent"]["restarts"] == killed, started.said()
            unharmed(started, service, rounds=5)
    watch.judge()
    assert "cannot use its shared memory" not in started.err()


def test_the_header_heals(run, place):
    """Who joins later finds a segment, and so does an agent."""
    started, _ = redis_beside(run, place, [SCRIBBLE, 500, 3, "header"])
    wait_until(lambda: "done 500" in started.out(), 30, started.said)
    data = wait_until(lambda: distrust.header(started), 10)
    assert data == distrust.Header(0x4E4749534546494C, 1, 4096, 128, 64, 4096, 128, 256, 4096 + 64 * 128, 4096 + 64 * 128 + 256 * 128)
    agent = started.agent()
    os.kill(agent, signal.SIGKILL)
    started.next_agent(agent)
    assert started.status()["agent"]["restarts"] == 1, started.said()
    assert "cannot use" not in started.err()


def test_claims_of_nobody_are_free_again(run, place):
    """Threads that start after the storm have slots."""
    script = ("import subprocess, sys, threading, time\n"
              f"p = subprocess.Popen(['{SCRIBBLE}', '300', '5', 'ones'], stdout=subprocess.PIPE)\n"
              "p.stdout.readline(); p.kill(); p.wait(); time.sleep(8)\n"  # the supervisor's scan of each second frees them
              "for i in range(5): threading.Thread(target=time.sleep, args=(1000,), daemon=True, name=f'late{i}').start()\n"
              "print('up', flush=True); time.sleep(1000)")
    started = run(["/usr/bin/python3", "-c", script], options=["--slots", "256"])
    wait_until(lambda: "up" in started.out(), 40, started.said)
    wait_until(lambda: len([t for t in started.threads() if t["op"]]) >= 5, 10, lambda: started.status()["processes"])


CHURN = """
import threading, time
for i in range(40): threading.Thread(target=time.sleep, args=(100,), daemon=True).start()
while True:
    some = [threading.Thread(target=time.sleep, args=(0.15,)) for _ in range(20)]
    for one in some: one.start()
    for one in some: one.join()
"""


def test_slots_that_change_hands_between_two_looks_end_no_agent(run):
    """No ill will needed: threads that come and go in a small table. And those that stay are all shown."""
    started = run(["/usr/bin/python3", "-c", CHURN], options=["--slots", "64"])
    wait_until(lambda: len(started.threads()) >= 41, 10, started.said)
    lifesign.holds_for(lambda: started.status()["agent"]["restarts"] == 0 and len(started.threads()) >= 41, 3, started.said, every=0.1)


@pytest.mark.parametrize("seed", range(3))
def test_a_child_of_user_nobody_does_not_change_what_its_root_parent_does(run, place, seed):
    """It shares the mapping by fork. The parent works with threads, locks, pipes, key destructors and forks meanwhile."""
    expected = subprocess.run([SCRIBBLE, "work", "0", "1"], capture_output=True, text=True, timeout=60, check=True)
    started = run([SCRIBBLE, "work", "1000000", str(seed)], options=["--slots", "256"])
    with Watch(started, ends=True) as watch:
        assert started.wait(60) == 0, started.said()
    watch.judge()
    assert started.out() == expected.stdout
    assert "has the segment" in started.err()


def test_nobody_who_joins_by_exec_makes_a_root_service_dead(run, place):
    """The hand-over gives the segment to any descendant, of whatever user."""
    words = ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", SCRIBBLE, 3000, 11]
    started, service = redis_beside(run, place, words)
    nobody = wait_until(lambda: next((p for p in lifesign.descendants(started.pid) if comm(p) == "scribble"), 0), 15, started.said)
    assert os.stat(f"/proc/{nobody}").st_uid == 65534 and mapped(nobody)
    with Watch(started) as watch:
        wait_until(lambda: "done 3000" in started.out(), 60, started.said)
        unharmed(started, service, rounds=20)
    watch.judge()
    distrust.end(started)


@pytest.mark.parametrize("content", ["random", "zeroes", "ones"])
def test_a_notebook_written_over_keeps_no_agent_from_starting(run, place, content):
    """Only root and the supervisor's user can: through /proc/PID/fd."""
    started, service = redis_beside(run, place, ["/bin/sleep", 1000])
    supervisor = started.pid
    path = next(f"/proc/{supervisor}/fd/{fd}" for fd in os.listdir(f"/proc/{supervisor}/fd")
                if os.readlink(f"/proc/{supervisor}/fd/{fd}").startswith("/memfd:lifesign-notebook"))
    size = os.stat(path).st_size
    with Watch(started, restarts=2) as watch:
        for killed in (1, 2):
            agent = started.agent()
            os.kill(agent, signal.SIGSTOP)
            with open(path, "r+b", 0) as notebook:
                notebook.write({"random": os.urandom(size), "zeroes": bytes(size), "ones": b"\xff" * size}[content])
            os.kill(agent, signal.SIGKILL)
            started.next_agent(agent)
            assert started.status()["agent"]["restarts"] == killed, started.said()
            started.wait_ready(10)
            unharmed(started, service, rounds=3)
    watch.judge()
    assert children(started.pid)
