# ctest: timeout=240
# SPDX-License-Identifier: Apache-2.0
"""openjdk: monitors in both orders, tasks that wait for their own pool, a heap that is full. Its locks show no owner to
anybody outside: nothing proves a deadlock, but that nobody takes connections is seen."""
import os

from faults import at_once, fault, table  # noqa: F401 pylint: disable=unused-import
from faults_inject import Clients
from lifesign import free_port, stat, wait_until
from services_languages import PROGRAMS, line_load
from services_more import Served, converse, once, tool


def compiled(path):
    tool("javac", "-d", path, f"{PROGRAMS}/Faulty.java", seconds=90)


def faulty(name, threads=4, *options):
    port = free_port()
    command = ["/usr/bin/java", "-XX:-UsePerfData", *(options or ["-Xmx64m"]), "-cp", once("faulty", compiled), "Faulty", name, port, threads]
    return Served("java", command, port, lambda: converse(port, b"abc\n"), line_load(port), [])


def cpu_seconds(pid):
    fields = stat(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def clients(scene, count=1, says=b"fault\n"):
    return scene.also(Clients(scene.service.port, count, says))


@fault
def test_fault_32_two_monitors_in_both_orders_all_workers_behind_them(scene):
    scene.start(faulty("monitors"), used=40)
    scene.inject("synchronized AB-BA, all workers want it", lambda: (clients(scene, 2), scene.says("held", 2), clients(scene, 12, b"line\n")))
    scene.unready("pool_exhausted", 40)
    scene.stays(4, "dead")


@fault
def test_fault_32_two_of_many_threads(scene):
    """Two of 100 workers are lost; nobody else wants what they hold."""
    scene.start(faulty("monitors", 100), used=40)
    scene.inject("synchronized AB-BA in 2 of 100 threads", lambda: clients(scene, 2))
    scene.well(seconds=6)
    assert scene.run.get("/livez").text == "ok"


@fault
def test_fault_33_tasks_that_wait_for_their_own_pool(scene):
    scene.start(faulty("tasks"), used=40)
    scene.inject("tasks wait for tasks of their own pool", lambda: clients(scene, 12))
    scene.unready("pool_exhausted", 40)
    scene.stays(4, "dead")


@fault
def test_fault_34_a_heap_that_is_full(scene):
    """The collector takes nearly all time there is: whoever comes is served late, and never dead is who still serves."""
    run = scene.start(faulty("garbage", 4, "-Xmx16m", "-XX:+UseSerialGC", "-XX:-UseGCOverheadLimit"), used=40)
    scene.inject("-Xmx16m, all of it kept", lambda: clients(scene))
    before = cpu_seconds(run.main())
    wait_until(lambda: cpu_seconds(run.main()) > before + 3, 60, scene.said)
    clients(scene, 12, b"")
    scene.stays(8, "dead")
    assert run.process.poll() is None
