# ctest: timeout=240
# SPDX-License-Identifier: Apache-2.0
"""node: its loop in endless computations, in a file and in a program that never end, in turns without end; its pool
exhausted by names that nobody knows and by files, which the loop does not feel."""
import os
import signal
import socket

from faults import at_once, fault, table  # noqa: F401 pylint: disable=unused-import
from faults_inject import Clients, Fifo, Silent, get
from lifesign import comm, descendants, free_port, wait_until
from services_languages import PROGRAMS
from services_more import Served, web_answers, web_load


AHEAD = ["/usr/bin/nice", "-n", "-5"]  # who must use CPU time to be found gets some


def faulty(word="/nothing", wrap=()):
    port = free_port()
    return Served("node", [*wrap, "/usr/bin/node", f"{PROGRAMS}/faulty.js", port, word], port, lambda: web_answers(port), web_load(port), [])


def clients(scene, count=2, path="/"):
    return scene.also(Clients(scene.service.port, count, get(path)))


def answered(scene, path):
    """Its loop takes all who have come before it looks at what they say: who is to wait comes after this answer, behind which
    the fault begins without another look."""
    link = scene.also(socket.create_connection(("127.0.0.1", scene.service.port), 10))
    link.sendall(get(path))
    assert link.recv(512)


def play(scene, path, *word, wrap=()):
    """The fault, and then clients who wait."""
    run = scene.start(faulty(*word, wrap=wrap), used=40, liveness={"loopSpinningSeconds": 2})  # of CPU time, which a busy machine gives late
    scene.inject(f"GET {path}", lambda: (answered(scene, path), clients(scene)))
    return run


def is_dead_of(scene, code, path, *word, wrap=()):
    run = play(scene, path, *word, wrap=wrap)
    scene.unready(code)
    reason = scene.live(code, "dead")
    assert reason["threads"] == [run.main()]
    return run


@fault
def test_fault_29_an_endless_loop(scene):
    is_dead_of(scene, "loop_spinning", "/spin", wrap=AHEAD)


@fault
def test_fault_29_a_regular_expression_without_end(scene):
    is_dead_of(scene, "loop_spinning", "/regex", wrap=AHEAD)


@fault
def test_fault_29_a_file_that_nobody_writes(scene):
    fifo = scene.also(Fifo(scene.place, reader=False))
    run = is_dead_of(scene, "loop_blocked", "/read", fifo.path)
    scene.explains(run.main(), "fifo")


@fault
def test_fault_29_a_program_without_end(scene):
    """Whom it began may still end; then it goes on by itself. It waits where its loop does, on other descriptors."""
    run = play(scene, "/exec")
    clients(scene, 480)
    scene.unready("queue_full")
    scene.stays(6, "dead")
    for pid in descendants(run.main()):
        if comm(pid) == "sleep":
            os.kill(pid, signal.SIGKILL)


@fault
def test_fault_30_names_that_nobody_answers(scene):
    """All threads of the pool wait for a silent name server; the loop serves on."""
    silent = scene.also(Silent(socket.SOCK_DGRAM, ("127.9.9.8", 53)))
    conf = scene.place.file("resolv.conf", "nameserver 127.9.9.8\noptions timeout:300 attempts:9\n")
    run = scene.start(faulty(wrap=["/usr/bin/unshare", "--mount", "/bin/sh", "-c", f'mount --bind {conf} /etc/resolv.conf && exec "$@"', "sh"]),
                      used=40)
    scene.inject("dns.lookup, name server silent", lambda: clients(scene, 1, "/names"))
    assert silent.link.recv(512)
    wait_until(lambda: len([t for t in run.threads() if t["op"] == "getaddrinfo"]) >= 2, 10, scene.said)  # node keeps half of the pool free
    scene.well(seconds=6)
    assert scene.service.ping()
    scene.explains(run.main(), "[poll]", "a socket that is not connected")


@fault
def test_fault_30_files_that_nobody_writes(scene):
    fifo = scene.also(Fifo(scene.place, reader=False))
    scene.start(faulty(fifo.path), used=40)
    scene.inject("fs.readFile of a FIFO, 8 times", lambda: clients(scene, 1, "/pool"))
    scene.well(seconds=6)
    assert scene.service.ping()


@fault
def test_fault_31_a_storm_of_immediates(scene):
    """It comes back to its wait all the time, and serves in between."""
    scene.start(faulty(), used=40)
    scene.inject("setImmediate storm", lambda: clients(scene, 1, "/storm"))
    scene.well(seconds=6)
    assert scene.service.ping()


@fault
def test_fault_31_ticks_without_end(scene):
    """Its collector's calls are the only ones it makes: it moves, and takes no connection, so that these pile up."""
    play(scene, "/tick")
    clients(scene, 480)
    scene.unready("queue_full")
    scene.stays(6, "dead")


@fault
def test_fault_31_calls_without_end(scene):
    play(scene, "/busy", scene.place.file("some", "text\n"))
    clients(scene, 480)
    scene.unready("queue_full")
    scene.stays(6, "dead")
