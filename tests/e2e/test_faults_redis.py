# ctest: timeout=200
# SPDX-License-Identifier: Apache-2.0
"""redis: its loop asleep, in an endless script, in a long computation, and before a disk that hangs."""
import socket

import services
from faults import at_once, fault, table  # noqa: F401 pylint: disable=unused-import
from faults_inject import Clients, Disk
from lifesign import wait_until
from services_more import LOCAL


def say(port, *words, seconds=0):
    """The answer to one command; None: not waited for."""
    text = b"".join([b"*%d\r\n" % len(words)] + [b"$%d\r\n%s\r\n" % (len(w), w) for w in (str(w).encode() for w in words)])
    if not seconds:
        return text
    with socket.create_connection((LOCAL, port), 5) as link:
        link.settimeout(seconds)
        link.sendall(text)
        return link.recv(65536)


@fault
def test_fault_05_the_loop_sleeps(scene):
    service = services.redis(scene.place, options=["--enable-debug-command", "yes"])
    run = scene.start(service)
    scene.inject("DEBUG SLEEP 120", lambda: scene.also(Clients(service.port, 1, say(0, "DEBUG", "SLEEP", 120))))
    scene.unready("loop_blocked")
    reason = scene.live("loop_blocked", "dead")
    assert reason["threads"] == [run.main()]
    assert reason["chain"][0]["op"] in ("nanosleep", "clock_nanosleep", "usleep")
    scene.explains(run.main(), "sleep")


@fault
def test_fault_06_an_endless_script(scene):
    """Until redis itself says BUSY it spins; from then on it answers everybody with that, and is alive."""
    service = services.redis(scene.place, options=["--busy-reply-threshold", "4000"])
    scene.start(service, 40)
    scene.inject("EVAL while true, BUSY after 4 s", lambda: scene.also(Clients(service.port, 1, say(0, "EVAL", "while true do end", 0))))
    wait_until(lambda: say(service.port, "PING", seconds=30).startswith(b"-BUSY"), 30, scene.said)
    scene.recovers()
    assert say(service.port, "SCRIPT", "KILL", seconds=10) == b"+OK\r\n"
    scene.never("dead")


@fault
def test_fault_06_an_endless_script_that_nobody_may_end(scene):
    service = services.redis(scene.place, options=["--busy-reply-threshold", "0"])
    run = scene.start(service, 2)
    scene.inject("EVAL while true, never BUSY", lambda: scene.also(Clients(service.port, 1, say(0, "EVAL", "while true do end", 0))))
    scene.unready("loop_spinning")
    reason = scene.live("loop_spinning", "dead", 150)
    assert reason["threads"] == [run.main()]
    scene.explains(run.main(), "runs its own code")


@fault
def test_fault_07_a_long_computation(scene):
    """Nobody knows it from an endless loop; it gates for as long as it lasts, and then is over."""
    service = services.redis(scene.place, options=["--enable-debug-command", "yes"])
    scene.start(service, 60)
    scene.inject("DEBUG POPULATE", lambda: scene.also(Clients(service.port, 1, say(0, "DEBUG", "POPULATE", 3000000))))
    scene.live("loop_spinning", "degraded")
    scene.recovers(60)
    assert say(service.port, "DBSIZE", seconds=10) == b":3000000\r\n"
    scene.never("dead")


@fault
def test_fault_08_the_disk_of_its_log_hangs(scene):
    """In state D: nothing that a restart would help."""
    disk = scene.also(Disk(scene.place))
    service = services.redis(scene.place)
    at = service.command.index("--dir")
    service.command[at + 1] = disk.path
    service.command[service.command.index("--appendonly") + 1] = "yes"
    service.command += ["--appendfsync", "always"]
    run = scene.start(service)
    disk.hang()
    scene.inject("fsfreeze of its append-only file", lambda: scene.also(Clients(service.port, 2, say(0, "SET", "k", "v"))))
    reason = scene.unready("io_wait", 40)
    assert reason["chain"][0]["tid"] == run.main() and reason["chain"][0]["op"] in ("write", "fsync", "fdatasync"), reason
    scene.stays(4, "dead")
    scene.explains(run.main(), "appendonly")
    disk.heal()
    scene.recovers()
    assert say(service.port, "GET", "k", seconds=10) == b"$1\r\nv\r\n"
