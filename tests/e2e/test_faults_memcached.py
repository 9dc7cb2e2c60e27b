# ctest: timeout=200
# SPDX-License-Identifier: Apache-2.0
"""memcached: one of its workers frozen, its listening thread frozen, and the limit of connections on purpose."""
import threading

import services_more
from faults import at_once, fault, table  # noqa: F401 pylint: disable=unused-import
from faults_inject import Clients, OneThread
from lifesign import wait_until
from services_more import exchange


class Load:
    """Keeps clients busy until it is closed; whoever is not answered waits."""

    def __init__(self, port, count=8):
        self.over, self.clients = threading.Event(), Clients(port, count)
        self.threads = [threading.Thread(target=self.work, args=(link,), daemon=True) for link in self.clients.links]
        for thread in self.threads:
            thread.start()

    def work(self, link):
        link.settimeout(0.5)
        while not self.over.is_set():
            try:
                exchange(link, b"set key 0 0 5\r\nvalue\r\n" * 50, b"STORED\r\n", 50)
            except (TimeoutError, AssertionError):
                continue
            except OSError:
                return

    def close(self):
        self.over.set()
        for thread in self.threads:
            thread.join()
        self.clients.close()


def caught_away(scene, freezer, tid):
    """Freezes that thread while it does something: in its wait for events it would be idle for everybody."""
    def caught():
        freezer.freeze(tid)
        at = scene.run.status()["time"]
        wait_until(lambda: scene.run.status()["time"] > at, 5, every=0.05)
        thread = next(t for t in scene.run.threads() if t["tid"] == tid)
        if thread["state"] != "idle":
            return True
        freezer.thaw()
        return False
    wait_until(caught, 30, scene.said)


@fault
def test_fault_14_one_worker_thread_of_four_is_frozen(scene):
    service = services_more.memcached(scene.place)
    run = scene.start(service)
    scene.also(Load(service.port))
    worker = scene.thread(lambda t: t["name"] == "mc-worker" and t["role"] == "loop")["tid"]
    freezer = scene.also(OneThread(run.main()))
    caught_away(scene, freezer, worker)
    scene.inject("threaded cgroup freeze of one worker")
    scene.thread(lambda t: t["tid"] == worker and t["state"] != "idle" and t["for_seconds"] > 2)
    reason = wait_until(lambda: next((r for r in run.status()["live"]["reasons"] if worker in r["threads"]), None), 10, scene.said)
    assert reason["code"] == "loop_blocked", reason
    assert reason["held"] in (None, "dependency_wait"), "by the call in which it was caught, maybe with a lock that others need"
    scene.stays(4, "dead")
    freezer.thaw()
    scene.recovers()


@fault
def test_fault_15_the_listening_thread_is_frozen(scene):
    """It is the main thread, and the cgroup of that is the one of the process: a freezer is to blame, and told."""
    service = services_more.memcached(scene.place)
    run = scene.start(service)
    freezer = scene.also(OneThread(run.main()))
    scene.inject("threaded cgroup freeze of the listening thread", lambda: freezer.freeze(run.main()))
    scene.also(Clients(service.port, 20))
    scene.unready("frozen")
    scene.stays(6, "dead")
    freezer.thaw()
    scene.recovers()


@fault
def test_fault_16_the_limit_of_connections(scene):
    """They are also all the files that it may open, so it sends more of them away: its loops live."""
    service = services_more.memcached(scene.place, threads=2)
    service.command += ["-c", "20"]
    scene.start(service)
    scene.inject("-c 20", lambda: scene.also(Clients(service.port, 60)))
    scene.unready("fd_exhaustion")
    scene.stays(6, "dead")
