# ctest: timeout=200
# SPDX-License-Identifier: Apache-2.0
"""run --record: what liveness was judged by is written down and judged the same again; what goes wrong costs the recording alone.

Every false verdict ever found becomes a file of recordings/ with what the judge of today says of it:
    lifesign run --record NAME.rec …; replay --says NAME.rec > NAME.says
"""
import glob
import os
import resource
import subprocess

import pytest

import asleep
from joined import Agent
from lifesign import SUPPORT, Run, free_port, wait_until

WAITS = os.path.join(SUPPORT, "explain_waits")
RECORDINGS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "recordings")


def replay(*words):
    return subprocess.run([f"{SUPPORT}/replay", *words], capture_output=True, text=True, timeout=60, check=False)


def counts(done):
    """{"ticks": 81, …} of the last line."""
    words = done.stdout.splitlines()[-1].split(": ", 1)[1].split(", ")
    return {w.split(" ", 1)[1]: int(w.split(" ", 1)[0]) for w in words if w[0].isdigit()}


def same_again(path):
    done = replay(path)
    found = counts(done)
    assert done.returncode == 0 and found["compared"] == found["ticks"] > 0 == found["wrong"], done.stdout
    return found, done.stdout


def test_a_deadlock_is_judged_the_same_again(run, place):
    path = place.file("waits.rec")
    started = run([WAITS, "abba"], options=["--record", path])
    wait_until(lambda: started.get("/livez").status == 503, 60, started.said)
    assert os.stat(path).st_mode & 0o777 == 0o600
    started.stop()
    found, said = same_again(path)
    assert found["torn"] == found["gaps"] == 0 and "dead live=0" in said and "live:deadlock" in said


def test_a_blocked_loop_and_what_comes_after_it(run, place):
    path, limits = place.file("redis.rec"), place.file("limits.yaml", "liveness: {loopBlockedSeconds: 1, noProgressSeconds: 1}\n")
    service, started = asleep.start(run, place, ["--record", path, "--config", limits])
    asleep.sleep_until(service, lambda: started.get("/livez").status == 503)
    wait_until(lambda: "false_alarm" in started.err() or "after the limit" in started.err(), 60, started.said)
    service.load(200)
    started.stop()
    found, said = same_again(path)
    assert found["steps of the ladder"] > 20 and "live:loop_blocked" in said, said
    assert said.splitlines()[-2].split()[2] == "says"


def test_agents_that_are_killed_leave_half_a_record_at_most(run, place):
    path = place.file("killed.rec")
    started = run([WAITS, "abba"], options=["--record", path])
    for _ in range(4):
        before = started.agent()
        os.kill(before, 9)
        wait_until(lambda b=before: (p := started.try_get("/health/status", unix=True)) and p.json()["agent"]["pid"] != b, 60, started.said)
    wait_until(lambda: started.get("/livez").status == 503, 60, started.said)
    started.stop()
    found, _ = same_again(path)
    assert found["beginnings"] == 5 and found["torn"] <= 4 and found["gaps"] == 0


def test_services_of_one_agent_share_a_file(place):
    path = place.file("many.rec")
    with Agent(place=place, options=["--record", path]) as agent:
        for name in ("one", "two"):
            agent.has(name, agent.start([WAITS, "abba"], service=name).pid)
        for name in ("one", "two"):
            wait_until(lambda n=name: agent.get(f"/services/{n}/livez").status == 503, 60, agent.said)
        agent.stop()
    _, said = same_again(path)
    assert " one says dead" in said and " two says dead" in said


def test_what_cannot_be_written_is_said_before_anything_starts(place):
    os.symlink(place.file("elsewhere", "keep me"), f"{place.path}/link")
    os.mkfifo(f"{place.path}/fifo")
    for path, why in ((f"{place.path}/none/a.rec", "No such file or directory"), (place.path, "Is a directory"),
                      (f"{place.path}/link", "it is a symbolic link"), (f"{place.path}/fifo", "")):
        with Run(["/usr/bin/touch", f"{place.path}/started"], options=["--record", path], place=place, up=0) as started:
            assert started.wait() == 78, started.said()
            assert f"cannot record to {path}: " in started.err() and why in started.err()
    assert not os.path.exists(f"{place.path}/started")
    with open(f"{place.path}/elsewhere", encoding="ascii") as f:
        assert f.read() == "keep me"


def test_a_full_disk_ends_the_recording_and_nothing_else(run, place):
    path = place.file("full.rec")

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2048, resource.RLIM_INFINITY))
    started = run([WAITS, "healthy"], options=["--record", path, "--log-file", "/dev/stderr"], preexec=limit)
    wait_until(lambda: "cannot write the recording" in started.err(), 30, started.said)
    assert os.stat(path).st_size == 2048 and started.status()["agent"]["restarts"] == 0
    wait_until(lambda: started.get("/livez").text == "ok", 60, started.status)
    started.stop()
    same_again(path)


def test_nothing_is_recorded_unasked(run, place):
    started = run(["/usr/bin/python3", "-m", "http.server", str(free_port())])
    started.wait_ready()
    assert not [f for f in glob.glob(f"/proc/{started.agent()}/task/*/comm") if "record" in open(f, encoding="ascii").read()]
    started.stop()


@pytest.mark.parametrize("name", sorted(f[:-4] for f in os.listdir(RECORDINGS) if f.endswith(".rec")))
def test_recordings_are_judged_as_they_should_be(name):
    with open(f"{RECORDINGS}/{name}.says", encoding="ascii") as f:
        assert replay("--says", f"{RECORDINGS}/{name}.rec").stdout == f.read()


def test_there_are_recordings():
    assert len(glob.glob(f"{RECORDINGS}/*.rec")) >= 3
