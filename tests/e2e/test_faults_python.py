# ctest: timeout=240
# SPDX-License-Identifier: Apache-2.0
"""python3: servers without threads, thread pools, asyncio and gunicorn, with locks of its own and of C, files that nobody
writes, children that inherit a lock, calls that block a loop, and a regular expression that never ends."""
import os

import services
import services_languages
from faults import at_once, fault, table  # noqa: F401 pylint: disable=unused-import
from faults_inject import Clients, Fifo, get
from lifesign import children, free_port, wait_until
from services_languages import PROGRAMS, line_load
from services_more import LOCAL, Served, converse, web_answers, web_load

FAULT = b"fault\n"
SPINS = {"loopSpinningSeconds": 2}  # of CPU time, which a busy machine gives late


def faulty(name, *word, wrap=()):
    port = free_port()
    return Served("python3", [*wrap, "/usr/bin/python3", f"{PROGRAMS}/faulty.py", name, port, *word], port, lambda: converse(port, b"abc\n"),
                  line_load(port), [])


def gunicorn(place, workers):
    port = free_port()
    command = ["/usr/bin/gunicorn", "--workers", workers, "--timeout", 0, "--bind", f"{LOCAL}:{port}", "--chdir", PROGRAMS, "--worker-tmp-dir",
               place.path, "faulty_wsgi:app"]
    return Served("gunicorn", command, port, lambda: web_answers(port), web_load(port), [], env={"PYTHONDONTWRITEBYTECODE": "1"})


def clients(scene, count=1, says=FAULT):
    return scene.also(Clients(scene.service.port, count, says))


@fault
def test_fault_24_a_thread_of_http_server_opens_a_fifo(scene):
    """python3 -m http.server has a thread for each connection: the others are served."""
    service = services.python_http(scene.place)
    run = scene.start(service)
    os.mkfifo(f"{scene.place.path}/www/fifo")
    scene.inject("GET /fifo, a thread each", lambda: clients(scene, 2, get("/fifo")))
    scene.thread(lambda t: t["role"] == "worker")
    scene.well(seconds=6)
    assert service.ping()
    scene.explains(run.main(), "fifo")


@fault
def test_fault_24_a_server_without_threads_opens_a_fifo(scene):
    home = scene.place.directory("files")
    scene.place.file("files/index.html", "hello\n")
    service = faulty("files", home)
    service.answers, service.load = lambda: web_answers(service.port, ("/index.html",)), web_load(service.port, "/index.html", 1)
    run = scene.start(service, used=20)
    os.mkfifo(f"{home}/fifo")
    scene.inject("GET /fifo, no threads", lambda: clients(scene, 3, get("/fifo")))
    scene.unready("loop_blocked")
    reason = scene.live("loop_blocked", "dead")
    assert reason["threads"] == [run.main()]
    scene.explains(run.main(), "fifo")


@fault
def test_fault_25_two_locks_of_python_in_both_orders(scene):
    """They have no owner that anybody could name: no proof of a deadlock, but nothing moves."""
    scene.start(faulty("python_locks"), used=40)
    scene.inject("threading.Lock AB-BA", lambda: (clients(scene, 2), scene.says("held", 2), clients(scene, 12, b"line\n")))
    scene.live("no_progress", "dead")
    assert ("live", "deadlock", None) not in scene.watch.seen


@fault
def test_fault_26_two_mutexes_of_c_in_both_orders(scene):
    scene.start(faulty("real_locks"), used=40)
    scene.inject("pthread mutexes AB-BA by ctypes", lambda: clients(scene, 2))
    reason = scene.live("deadlock", "dead")
    assert [link["op"] for link in reason["chain"]] == ["pthread_mutex_lock"] * 2
    owners, tids = [link["owner"] for link in reason["chain"]], [link["tid"] for link in reason["chain"]]
    assert owners == tids[1:] + tids[:1]


@fault
def test_fault_27_a_child_inherits_a_lock_that_is_held(scene):
    """The child hangs for ever; whom it was begun by serves on."""
    run = scene.start(faulty("fork"), used=40)
    scene.inject("fork with a mutex held", lambda: clients(scene, 3))
    reason = wait_until(lambda: next((r for r in run.status()["live"]["reasons"] if r["code"] == "orphaned_lock"), None), 30, scene.said)
    assert set(reason["threads"]) <= set(children(run.main())), reason  # whose only threads have their numbers
    scene.explains(reason["threads"][0], "mutex", "owner has ended")
    assert converse(scene.service.port, b"abc\n") == [b"ABC\n"]
    scene.stays(5, "dead", "not ready")


@fault
def test_fault_28_a_coroutine_sleeps(scene):
    run = scene.start(faulty("sleep"), used=40)
    scene.inject("time.sleep(600) in a coroutine", lambda: (clients(scene), clients(scene, 2, b"")))
    scene.unready("loop_blocked")
    reason = scene.live("loop_blocked", "dead")
    assert reason["threads"] == [run.main()]
    scene.explains(run.main(), "sleep")


@fault
def test_fault_28_a_coroutine_sleeps_and_nobody_comes(scene):
    """No client waits: lifesign itself knocks, and a living loop would take that."""
    scene.start(faulty("sleep"), used=40)
    scene.inject("time.sleep(600), no clients", lambda: clients(scene))
    scene.live("loop_blocked", "dead")


@fault
def test_fault_28_a_coroutine_computes(scene):
    run = scene.start(faulty("regex", wrap=["/usr/bin/nice", "-n", "-5"]), used=40, liveness=SPINS)
    scene.inject("(a+)+$ in a coroutine", lambda: (clients(scene), clients(scene, 2, b"")))
    scene.unready("loop_spinning")
    reason = scene.live("loop_spinning", "dead")
    assert reason["threads"] == [run.main()]


@fault
def test_fault_28_the_only_worker_of_gunicorn_sleeps(scene):
    run = scene.start(gunicorn(scene.place, 1), used=40)
    scene.inject("time.sleep(600) in 1 of 1 workers", lambda: (clients(scene, 1, get("/sleep")), clients(scene, 2, get("/"))))
    reason = scene.live("loop_blocked", "dead")
    assert reason["threads"] == children(run.main())


@fault
def test_fault_28_one_worker_of_gunicorn_computes(scene):
    service = gunicorn(scene.place, 2)
    scene.start(service, used=40, liveness=SPINS)
    scene.inject("(a+)+$ in 1 of 2 workers", lambda: clients(scene, 1, get("/regex")))
    scene.live("loop_spinning", "degraded")
    scene.stays(6, "dead", "not ready")
    assert service.ping()


@fault
def test_fault_28_code_of_c_waits_and_keeps_the_lock_of_python(scene):
    """One thread waits in C; all others, whoever accepts among them, want the interpreter's lock."""
    fifo = scene.also(Fifo(scene.place, reader=False))
    scene.start(faulty("gil", fifo.path), used=40)
    scene.inject("C code waits with the GIL", lambda: (clients(scene), scene.thread(lambda t: t["op"] == "open"), clients(scene, 8, b"")))
    scene.unready("pool_exhausted")
    scene.stays(2, "dead")
