# ctest: timeout=200
# SPDX-License-Identifier: Apache-2.0
"""haproxy: a thread that spins, a worker that kills itself over it, and one that is stopped."""
import os
import socket

import services_web
from faults import at_once, fault, table  # noqa: F401 pylint: disable=unused-import
from faults_inject import Stopped
from lifesign import children, wait_until


def with_commands(scene):
    """A stats socket that takes the commands of its developers."""
    service = scene.also(services_web.haproxy(scene.place))
    service.commands = f"{scene.place.path}/h.sock"
    path = service.command[service.command.index("-f") + 1]
    with open(path, encoding="utf-8") as f:
        text = f.read()
    with open(path, "w", encoding="utf-8") as f:
        f.write(text.replace("global\n", f"global\n\tstats socket {service.commands} mode 666 level admin\n"))
    return service


def command(service, words):
    """Said, not waited for."""
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(30)
    link.connect(service.commands)
    link.sendall(f"expert-mode on; {words}\n".encode())
    return link


@fault
def test_fault_20_a_thread_spins_and_comes_back(scene):
    """For less than its own watchdog allows; what is seen of that depends on how much CPU time it got."""
    service = with_commands(scene)
    scene.start(service)
    link = scene.also(scene.inject("debug dev loop 1700", lambda: command(service, "debug dev loop 1700")))
    assert link.recv(100), "it answers when it is done"
    scene.recovers()
    scene.never("dead")


@fault
def test_fault_20_its_own_watchdog_ends_it(scene):
    service = with_commands(scene)
    run = scene.start(service)
    scene.also(scene.inject("debug dev loop 99000", lambda: command(service, "debug dev loop 99000")))
    assert run.wait(90) == 134, run.said()  # the master goes with its worker, and `run` with the master
    assert "dead (exited)" in run.err(), run.said()
    scene.note("dead", "exited")


@fault
def test_fault_21_its_worker_is_stopped(scene):
    service = with_commands(scene)
    run = scene.start(service)
    worker = children(run.main())[0]
    stopped = scene.also(scene.inject("SIGSTOP of the worker", lambda: Stopped(worker)))
    scene.unready("suspended")
    scene.stays(6, "dead")
    stopped.close()
    scene.recovers()
    assert wait_until(service.ping, 10) and os.getpgid(worker)
