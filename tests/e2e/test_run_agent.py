# ctest: asan
# SPDX-License-Identifier: Apache-2.0
"""The agent may die, hang or crash in a loop: another one follows, and COMMAND is never touched."""
import contextlib
import os
import resource
import signal
import socket
import time

import pytest

import lifesign
from lifesign import children, comm, holds_for, is_running, stat, wait_until


def agent_of(started):
    return next((p for p in children(started.pid) if comm(p) == "lifesign-agent"), None)


def another(started, old, seconds=60):
    """The next agent's pid, once it answers."""
    def answers():
        pid = agent_of(started)
        return pid not in (None, old) and (a := started.try_get("/health/status", unix=True)) and a.json()["agent"]["pid"] == pid and pid
    return wait_until(answers, seconds, started.said, every=0.005)


def crash(started, pid):
    os.kill(pid, signal.SIGSEGV)
    return another(started, pid)


@pytest.fixture
def sleeper(run):
    started = run(["sleep", "1000"], preexec=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)))
    started.sleep = wait_until(lambda: next((p for p in children(started.pid) if comm(p) == "sleep"), None))
    started.began = stat(started.sleep)[19]
    yield started
    assert is_running(started.sleep, started.began), "COMMAND never noticed"


def test_one_that_looks_as_seldom_as_it_may_is_kept(run, place):
    config = place.file("c.yaml", "liveness: {sampleSeconds: 1}\nstartup: {port: none}\n")
    started = run(["sleep", "1000"], options=["--config", config])
    started.wait_ready()
    holds_for(lambda: started.get("/readyz").status == 200, 4, started.said)
    assert started.status()["agent"]["restarts"] == 0


def test_a_dead_agent_is_replaced_at_once(sleeper):
    old = agent_of(sleeper)
    gaps = []
    for _ in range(5):
        began = time.monotonic()
        os.kill(old, signal.SIGKILL)
        old = another(sleeper, old)
        gaps.append(time.monotonic() - began)
    gaps.sort()
    print("answers again after", [f"{g * 1000:.0f} ms" for g in gaps])
    assert gaps[2] < (5 if lifesign.SANITIZED else 1.5)  # 0.1 on a machine that has time
    assert sleeper.err().count("was ended by signal 9") == 5


def test_a_request_meanwhile_waits_and_is_not_refused(sleeper):
    """The sockets stay open: a connection made while no agent runs is answered by the next one."""
    os.kill(sleeper.pid, signal.SIGSTOP)  # no next one yet
    old = agent_of(sleeper)
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: not is_running(old))
    with socket.create_connection(("127.0.0.1", sleeper.port), 5) as s:
        s.sendall(b"GET /livez HTTP/1.0\r\n\r\n")
        os.kill(sleeper.pid, signal.SIGCONT)
        s.settimeout(60)
        assert b" 200 " in s.recv(100)
    another(sleeper, old)


def test_a_stopped_agent_is_replaced_after_two_seconds(sleeper):
    old = agent_of(sleeper)
    began = time.monotonic()
    os.kill(old, signal.SIGSTOP)
    another(sleeper, old)
    assert 1.7 < time.monotonic() - began < 20
    assert not is_running(old) and "does not beat" in sleeper.err()


def test_a_stop_shorter_than_that_is_none(sleeper):
    short = False
    while not short:  # on a busy machine it may have become a longer one
        old, began = wait_until(lambda: agent_of(sleeper)), time.monotonic()
        os.kill(old, signal.SIGSTOP)
        wait_until(lambda at=began: time.monotonic() > at + 1)
        os.kill(old, signal.SIGCONT)
        short = time.monotonic() < began + 1.7
        wait_until(lambda: sleeper.try_get("/livez"))
    holds_for(lambda: agent_of(sleeper) == old, 2.5)


def test_when_both_were_stopped_nobody_is_to_blame(sleeper):
    """A frozen container, a suspended machine: the supervisor woke late itself."""
    old = agent_of(sleeper)
    os.kill(old, signal.SIGSTOP)
    holds_for(lambda: agent_of(sleeper) == old, 0.4)  # looked at without a beat, but not for long
    os.kill(sleeper.pid, signal.SIGSTOP)
    holds_for(lambda: True, 3)
    os.kill(sleeper.pid, signal.SIGCONT)
    holds_for(lambda: agent_of(sleeper) == old, 0.2)
    os.kill(old, signal.SIGCONT)
    holds_for(lambda: agent_of(sleeper) == old, 1.5)


def test_a_crash_loop_ends_in_a_bare_agent(sleeper):
    pid = agent_of(sleeper)
    for _ in range(2):
        pid = crash(sleeper, pid)
        assert "bare" not in sleeper.err()
    pid = crash(sleeper, pid)
    assert "a bare one follows" in sleeper.err()
    answer = sleeper.get("/livez")
    assert answer.status == 200 and answer.headers["Lifesign-Verdict"] == "unknown"
    pid = crash(sleeper, pid)
    assert sleeper.get("/livez").headers["Lifesign-Verdict"] == "unknown", "and stays bare for now"


def test_replacing_agents_costs_the_supervisor_nothing(sleeper):
    def held():
        return len(os.listdir(f"/proc/{sleeper.pid}/fd"))

    def memory():
        with open(f"/proc/{sleeper.pid}/status", encoding="ascii") as f:
            return int(next(line for line in f if line.startswith("RssAnon")).split()[1])
    pid = agent_of(sleeper)
    fds, kilobytes = held(), memory()
    for _ in range(30):
        os.kill(pid, signal.SIGKILL)
        pid = another(sleeper, pid)
    wait_until(lambda: held() == fds, 30, lambda: (held(), fds))
    assert memory() <= kilobytes + 64
    assert len(children(sleeper.pid)) == 2


def test_polite_signals_are_not_for_the_agent(sleeper):
    """`systemctl stop` and a closing terminal signal everybody: the agent is to answer until the end."""
    pid = agent_of(sleeper)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGPIPE):
        os.kill(pid, number)
    holds_for(lambda: agent_of(sleeper) == pid and sleeper.try_get("/livez"), 0.5)


def test_the_agent_runs_by_itself(sleeper):
    pid = agent_of(sleeper)
    assert stat(pid)[2] == str(pid), "a group of its own"

    def blocked():
        with open(f"/proc/{pid}/status", encoding="ascii") as f:
            return int(next(line for line in f if line.startswith("SigBlk")).split()[1], 16)
    wait_until(lambda: blocked() == 0, 30, "no signal is blocked, but while libc forks")
    files = set()
    for number in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # read and closed again
            files.add(os.readlink(f"/proc/{pid}/fd/{number}"))
    assert not [f for f in files if "signalfd" in f or "lifesign-notify" in f], files
    with open(f"/proc/{pid}/maps", encoding="ascii") as f:
        assert not [line for line in f if "memfd:lifesign " in line and " rw-s " in line], "it cannot write to the segment"


def test_it_is_told_of_the_end(run, place):
    go = place.file("go")
    started = run(["sh", "-c", f"until [ -e {go} ]; do sleep 0.1; done; exit 9"])
    place.file("go", "")
    assert started.wait() == 9
    assert "exited" in started.err()
    assert "agent" not in started.err(), "its end is no event"
