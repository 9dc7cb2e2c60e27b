# ctest: timeout=240
# SPDX-License-Identifier: Apache-2.0
"""Faults that any service may have, in a small server of lines (support/faulty.c), and prefork without its parent.

What no test sets up here, and why: a hung NFS mount (48): this kernel has no NFS; a disk that is frozen puts a thread
into the same uninterruptible wait. A clock that jumps (50): it is everybody's; the service waits as it would after it."""
import os
import signal
import threading

import services_languages
from faults import at_once, fault, table  # noqa: F401 pylint: disable=unused-import
from faults_inject import Clients, Disk, Fifo, Silent, Stopped
from lifesign import SUPPORT, children, free_port, wait_until
from services_languages import line_load
from services_more import Served, converse

FAULT = b"fault\n"


def faulty(name, *word, wrap=()):
    port = free_port()
    command = [*wrap, os.path.join(SUPPORT, "faulty"), name, port, *word]
    return Served("faulty", command, port, lambda: converse(port, b"abc\n"), line_load(port), [])


def clients(scene, count=1, says=FAULT):
    return scene.also(Clients(scene.service.port, count, says))


def crowd(scene, says=b"line\n", count=8):
    """More than there is room for: the rest is in the accept queue."""
    clients(scene, 4, says)
    clients(scene, count, b"")


class Steady(threading.Thread):
    """Does something again and again."""

    def __init__(self, do, every):
        super().__init__(daemon=True)
        self.do, self.every, self.over = do, every, threading.Event()
        self.start()

    def run(self):
        while not self.over.wait(self.every):
            self.do()

    def close(self):
        self.over.set()
        self.join()


def symbols(run, code):
    """Locks of its chain; names are looked up beside."""
    chains = [r["chain"] for r in run.status()["live"]["reasons"] if r["code"] == code]
    return sorted((link["symbol"] or "").split(",")[0] for link in chains[0]) if chains else []


def prints_for_long(thread):
    return thread["op"] in ("fputs", "fwrite") and thread["for_seconds"] > 0.5


@fault
def test_fault_42_nobody_reads_its_output(scene):
    """One thread holds the stream's lock and waits for the pipe; the others wait for that lock; nobody takes connections."""
    fifo = scene.also(Fifo(scene.place))
    run = scene.start(faulty("log", wrap=["/bin/sh", "-c", f'exec "$@" >{fifo.path}', "sh"]), used=40)
    scene.inject("a pipe as stdout, reader stopped", lambda: (clients(scene), scene.thread(prints_for_long), crowd(scene)))
    scene.unready("pool_exhausted")
    assert len([t for t in run.threads() if t["op"] in ("fputs", "fwrite")]) == 4, run.status()
    scene.live("no_progress", "dead")
    scene.explains(run.main(), "fifo", "stdio stream")


@fault
def test_fault_43_no_descriptors_left(scene):
    """poll() returns at once and accept() fails: it uses all CPU time, makes calls all the time, and serves nobody new."""
    run = scene.start(faulty("descriptors", wrap=["/usr/bin/prlimit", "--nofile=20"]), used=40)
    scene.inject("prlimit --nofile=20, 40 clients", lambda: clients(scene, 40, b""))
    scene.unready("fd_exhaustion")
    scene.stays(6, "dead")
    assert run.status()["listeners"][0]["queue"] > 0


@fault
def test_fault_44_a_worker_is_killed_and_its_parent_is_stopped(scene):
    service = services_languages.gunicorn(scene.place)
    run = scene.start(service)
    parent = run.main()

    def inject():
        scene.also(Stopped(parent))
        for pid in children(parent):
            os.kill(pid, signal.SIGKILL)
    scene.inject("kill -9 of the workers, parent stopped", inject)
    scene.unready("suspended")
    scene.stays(5, "dead")
    os.kill(parent, signal.SIGCONT)
    wait_until(service.ping, 20, scene.said)
    scene.recovers()


@fault
def test_fault_45_a_thread_ends_that_owns_a_lock(scene):
    run = scene.start(faulty("die"), used=40)
    threads = len(run.threads())
    scene.inject("pthread_exit with a mutex", lambda: (clients(scene), wait_until(lambda: len(run.threads()) < threads, 20, scene.said),
                                                       clients(scene, 2, b"line\n")))
    scene.live("orphaned_lock", "dead")
    wait_until(lambda: symbols(run, "orphaned_lock") == ["journal"], 10, scene.said)
    scene.explains(run.main(), "journal")


@fault
def test_fault_46_a_signal_handler_allocates_while_malloc_is_locked(scene):
    run = scene.start(faulty("handler"), used=40)
    scene.inject("malloc in a handler", lambda: (clients(scene), clients(scene, 2, b"")))
    reason = scene.live("loop_blocked", "dead", 60)
    assert reason["threads"] == [run.main()]
    scene.explains(run.main(), "waits for a lock", "libc.so")


@fault
def test_fault_47_a_thread_each_request(scene):
    scene.start(faulty("leak"), liveness={"sampleSeconds": 0.01})  # a window of growth is 600 samples
    stop = scene.also(Steady(lambda: clients(scene).close(), 0.2))
    scene.inject("threads that nobody joins")
    wait_until(lambda: {("ready", "thread_leak"), ("live", "degraded")} <= set(scene.watch.seen), 150, scene.said)
    stop.close()
    scene.never("dead", "not ready")


@fault
def test_fault_48_a_loop_writes_to_a_disk_that_hangs(scene):
    disk = scene.also(Disk(scene.place))
    run = scene.start(faulty("file", f"{disk.path}/journal"), used=40)
    disk.hang()
    scene.inject("fsfreeze, the loop writes", lambda: (clients(scene), clients(scene, 2, b"")))
    reason = scene.unready("io_wait", 40)
    assert run.main() in reason["threads"], reason
    scene.stays(4, "dead")
    disk.heal()
    scene.recovers()


@fault
def test_fault_48_all_workers_write_to_a_disk_that_hangs(scene):
    disk = scene.also(Disk(scene.place))
    scene.start(faulty("files", f"{disk.path}/journal"), used=40)
    disk.hang()
    scene.inject("fsfreeze, all workers write", lambda: crowd(scene, FAULT))
    scene.unready("io_wait", 40)
    scene.stays(4, "dead")
    disk.heal()


@fault
def test_fault_49_a_wake_up_is_lost(scene):
    """All workers wait for what has happened already. Nothing outside of it is involved: a restart would help."""
    run = scene.start(faulty("lost"), used=40)
    scene.inject("all workers miss their wake-up", lambda: crowd(scene, FAULT))
    scene.unready("pool_exhausted")
    scene.explains(run.main(), "condition")
    scene.live("no_progress", "dead")


@fault
def test_fault_50_waits_end_tomorrow(scene):
    """Each wait has an end, if a late one: nothing proves that it will not go on."""
    scene.start(faulty("clock"), used=40)
    scene.inject("a deadline by a clock set back since", lambda: crowd(scene, FAULT))
    scene.unready("pool_exhausted")
    scene.stays(6, "dead")


@fault
def test_fault_51_a_pool_of_connections_run_empty(scene):
    """The database is well, and nobody waits for it: all wait for a connection that was never given back."""
    peer = scene.also(Silent())
    run = scene.start(faulty("links", peer.port), used=40)
    scene.inject("connections never given back", lambda: (converse(scene.service.port, FAULT), converse(scene.service.port, FAULT), crowd(scene)))
    reason = scene.unready("pool_exhausted")
    assert {t["op"] for t in run.threads()} == {"pthread_cond_wait"}, reason
    scene.stays(6, "dead")


@fault
def test_fault_52_a_deadlock_under_a_timer(scene):
    """Its signal wakes a member ten times a second."""
    run = scene.start(faulty("ticking"), used=40)
    scene.inject("lock order, a 100 ms timer", lambda: clients(scene, 2))
    scene.live("deadlock", "dead")
    wait_until(lambda: symbols(run, "deadlock") == ["accounts", "journal"], 10, scene.said)
