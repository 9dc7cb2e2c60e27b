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


@pytest.fixture(params=FREEZERS)
def freezer(request):
    """A cgroup of our own that can freeze, of each kind that this machine has; ended empty."""
    mounts, switch, freeze, thaw = FREEZERS[request.param]
    place = None
    for mount in mounts:
        path = os.path.join(mount, f"lifesign-{uuid.uuid4().hex[:8]}")
        try:
            os.mkdir(path)
        except OSError:
            continue
        if os.path.exists(os.path.join(path, switch)):
            place = path
            break
        os.rmdir(path)
    if not place:
        pytest.xfail(f"this machine lets us make no cgroup {request.param} with a freezer")

    def put(name, text):
        with open(os.path.join(place, name), "w") as f:
            f.write(text)
    yield lambda pid: put("cgroup.procs", str(pid)), lambda on: put(switch, freeze if on else thaw)
    put(switch, thaw)
    with open(os.path.join(place, "cgroup.procs")) as f:
        pids = f.read().split()
    for pid in pids:
        with open(os.path.join(os.path.dirname(place), "cgroup.procs"), "w") as f:
            f.write(pid)
    os.rmdir(place)


def reasons(started):
    return [reason["code"] for reason in started.status()["ready"]["reasons"]]


def test_a_frozen_service_is_not_ready_and_not_dead(run, freezer):
    put, freeze = freezer
    started = run(REDIS)
    main = started.main()
    wait_until(lambda: started.get("/readyz").status == 200, 10, started.status)
    put(main)
    freeze(True)
    page = wait_until(lambda: (p := started.get("/readyz")).status == 503 and p, 10, started.status)
    assert "[-]frozen failed: frozen" in page.text and reasons(started) == ["frozen"]
    assert started.get("/livez").status == 200 and started.status()["live"]["verdict"] == "alive"
    freeze(False)
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
