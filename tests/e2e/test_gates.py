# ctest: timeout=120
# SPDX-License-Identifier: Apache-2.0
"""Who keeps a whole process from running is told as that, gates readiness after 2 s, and kills nothing."""
import ctypes
import os
import signal
import uuid

import pytest

from lifesign import wait_until

REDIS = ["/usr/bin/redis-server", "--port", "0", "--unixsocket", "redis.sock", "--save", ""]
PTRACE_SEIZE, PTRACE_DETACH, PTRACE_INTERRUPT = 0x4206, 17, 0x4207

FREEZERS = {
    "v2": (["/sys/fs/cgroup/unified", "/sys/fs/cgroup"], "cgroup.freeze", "1", "0"),
    "v1": (["/sys/fs/cgroup/freezer"], "freezer.state", "FROZEN", "THAWED"),
}


class Freezer:
    """A cgroup of our own that can freeze; `place` None where this machine lets us make none of this kind."""

    def __init__(self, kind):
        mounts, self.switch, self.freeze, self.thaw = FREEZERS[kind]
        self.place = next((place for place in map(self.make, mounts) if place), None)

    def make(self, mount):
        path = os.path.join(mount, f"lifesign-{uuid.uuid4().hex[:8]}")
        try:
            os.mkdir(path)
        except OSError:
            return None
        if os.path.exists(os.path.join(path, self.switch)):
            return path
        os.rmdir(path)
        return None

    def put(self, name, text, up=False):
        with open(os.path.join(os.path.dirname(self.place) if up else self.place, name), "w", encoding="ascii") as f:
            f.write(str(text))

    def close(self):
        self.put(self.switch, self.thaw)
        with open(os.path.join(self.place, "cgroup.procs"), encoding="ascii") as f:
            pids = f.read().split()
        for pid in pids:
            self.put("cgroup.procs", pid, up=True)
        os.rmdir(self.place)


def reasons(started):
    return [reason["code"] for reason in started.status()["ready"]["reasons"]]


@pytest.mark.parametrize("kind", FREEZERS)
def test_a_frozen_service_is_not_ready_and_not_dead(run, kind):
    freezer = Freezer(kind)
    if not freezer.place:
        return  # this machine has no such hierarchy; where its state stands is a unit test
    try:
        is_frozen_and_thaws(run(REDIS), freezer)
    finally:
        freezer.close()


def is_frozen_and_thaws(started, freezer):
    main = started.main()
    wait_until(lambda: started.get("/readyz").status == 200, 10, started.status)
    freezer.put("cgroup.procs", main)
    freezer.put(freezer.switch, freezer.freeze)
    page = wait_until(lambda: (p := started.get("/readyz")).status == 503 and p, 10, started.status)
    assert "[-]frozen failed: frozen" in page.text and reasons(started) == ["frozen"]
    assert started.get("/livez").status == 200 and started.status()["live"]["verdict"] == "alive"
    freezer.put(freezer.switch, freezer.thaw)
    wait_until(lambda: started.get("/readyz").status == 200, 10, started.status)


def test_a_debugger_is_shown_and_gates_nothing(run):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    started = run(REDIS)
    main = started.main()
    wait_until(lambda: started.get("/readyz").status == 200, 10, started.status)
    assert libc.ptrace(PTRACE_SEIZE, main, None, None) == 0, os.strerror(ctypes.get_errno())
    wait_until(lambda: "traced" in reasons(started), 10, started.status)
    assert started.get("/readyz").status == 200 and started.get("/livez").text == "ok"
    assert libc.ptrace(PTRACE_INTERRUPT, main, None, None) == 0
    os.waitpid(main, getattr(os, "__WALL", 0x40000000))
    assert libc.ptrace(PTRACE_DETACH, main, None, None) == 0
    wait_until(lambda: "traced" not in reasons(started), 10, started.status)


def test_a_stopped_service_is_not_ready_after_two_seconds(run):
    started = run(REDIS)
    main = started.main()
    wait_until(lambda: started.get("/readyz").status == 200, 10, started.status)
    os.kill(main, signal.SIGSTOP)
    wait_until(lambda: started.get("/readyz").status == 503, 10, started.status)
    assert reasons(started) == ["suspended"] and started.get("/livez").status == 200
    os.kill(main, signal.SIGCONT)
    wait_until(lambda: started.get("/readyz").status == 200, 10, started.status)
