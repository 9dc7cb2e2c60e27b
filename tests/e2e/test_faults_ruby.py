# ctest: timeout=240
# SPDX-License-Identifier: Apache-2.0
"""ruby: threads that join whoever waits for them, code of C that waits with the lock of the whole program, puma whose
threads are all caught."""
import shutil

from faults import at_once, fault, table  # noqa: F401 pylint: disable=unused-import
from faults_inject import Clients, Fifo, get
from lifesign import free_port, wait_until
from services_languages import PROGRAMS, line_load
from services_more import LOCAL, Served, converse, web_answers, web_load


def faulty(name, *word):
    port = free_port()
    return Served("ruby", ["/usr/bin/ruby", f"{PROGRAMS}/faulty.rb", name, port, *word], port, lambda: converse(port, b"abc\n"), line_load(port),
                  [])


def puma(place):
    port = free_port()
    home = place.directory("puma")
    shutil.copy(f"{PROGRAMS}/faulty.ru", home)
    command = ["/usr/bin/puma", "--dir", home, "-b", f"tcp://{LOCAL}:{port}", "-t", "2:2", "faulty.ru"]
    return Served("puma", command, port, lambda: web_answers(port), web_load(port), [], env={"HOME": home})


def clients(scene, count=1, says=b"fault\n"):
    return scene.also(Clients(scene.service.port, count, says))


def unready(scene):
    """Where ruby's threads are at home shows by and by: all wait in a few places of the same code. So whoever accepts is
    seen to be blocked, or only not to take connections; which of the two is a matter of chance, and so is a death. And a
    thread that had answered before the fault held waits for its client, who says no more."""
    codes = ("loop_blocked", "pool_exhausted", "dependency_wait")
    scene.unready(wait_until(lambda: next((c for c in codes if ("ready", c) in scene.watch.seen and ("ready", False) in scene.watch.seen), None),
                             30, scene.said))


@fault
def test_fault_35_a_thread_joins_whoever_waits_for_it(scene):
    run = scene.start(faulty("join"), used=40)
    scene.inject("Thread#join within a Mutex", lambda: (clients(scene), scene.says("held"), clients(scene, 12, b"line\n")))
    scene.unready("loop_blocked")
    reason = scene.live("loop_blocked", "dead")
    assert reason["threads"] == [run.main()]


@fault
def test_fault_35_code_of_c_waits_with_the_lock_of_the_program(scene):
    fifo = scene.also(Fifo(scene.place, reader=False))
    run = scene.start(faulty("native", fifo.path), used=40)
    scene.inject("C code waits with the GVL", lambda: (clients(scene), scene.thread(lambda t: t["op"] == "open"), clients(scene, 4, b"line\n")))
    unready(scene)
    scene.explains(run.main(), "fifo")


@fault
def test_fault_35_a_thread_computes_for_ever(scene):
    """It is interrupted for the others' sake: who comes is served."""
    scene.start(faulty("spin"), used=40)
    scene.inject("loop {} in 1 of 4 threads", lambda: clients(scene))
    scene.well(seconds=6)
    assert scene.service.ping()


@fault
def test_fault_35_all_threads_of_puma_wait_for_themselves(scene):
    """They sit where they also wait for requests, but whoever accepts waits for one of them to have room."""
    scene.start(puma(scene.place), used=40)
    scene.inject("Thread#join within a Mutex, all of puma", lambda: (clients(scene, 2, get("/join")), clients(scene, 8, get("/"))))
    unready(scene)


@fault
def test_fault_35_all_threads_of_puma_sleep_for_long(scene):
    """That will end: never dead."""
    scene.start(puma(scene.place), used=40)
    scene.inject("sleep 12 in all of puma", lambda: (clients(scene, 2, get("/sleep")), clients(scene, 8, get("/"))))
    unready(scene)
    scene.stays(7, "dead")
    scene.recovers()
