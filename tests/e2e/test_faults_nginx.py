# ctest: timeout=200
# SPDX-License-Identifier: Apache-2.0
"""nginx: a blocked worker, one of four, a log that nobody reads, a disk that hangs."""
import services
from faults import at_once, fault, table  # noqa: F401 pylint: disable=unused-import
from faults_inject import Clients, Fifo, Hanging, get
from lifesign import accepts, children

ECHO = "load_module /usr/lib/nginx/modules/ngx_http_echo_module.so;"


def edited(service, old, new):
    """The same service with one change in its configuration."""
    path = service.command[service.command.index("-c") + 1]
    with open(path, encoding="utf-8") as f:
        text = f.read()
    assert old in text, text
    with open(path, "w", encoding="utf-8") as f:
        f.write(text.replace(old, new))
    return service


def with_echo(scene, workers, listen=""):
    """/b sleeps in the worker itself."""
    service = services.nginx(scene.place, workers=workers, extra=ECHO)
    edited(service, "root ", "location /b { echo_blocking_sleep 120; echo done; } root ")
    return edited(service, f":{service.port};", f":{service.port} {listen};") if listen else service


@fault
def test_fault_01_a_worker_sleeps_in_its_loop(scene):
    service = with_echo(scene, 1)
    run = scene.start(service)
    scene.inject("echo_blocking_sleep", lambda: scene.also(Clients(service.port, 1, get("/b"))))
    scene.also(Clients(service.port, 1, get("/")))
    scene.unready("loop_blocked")
    reason = scene.live("loop_blocked", "dead")
    worker = children(run.main())[0]
    assert reason["threads"] == [worker], reason
    assert reason["chain"][0]["op"] in ("nanosleep", "clock_nanosleep", "usleep")
    scene.explains(worker, "sleep")


@fault
def test_fault_02_one_of_four_workers_sleeps(scene):
    """Each has a queue of its own, and what is put into that of the one that sleeps waits; the others serve."""
    service = with_echo(scene, 4, "reuseport")
    run = scene.start(service)
    scene.inject("echo_blocking_sleep in 1 of 4", lambda: scene.also(Clients(service.port, 1, get("/b"))))
    scene.live("loop_blocked", "degraded")
    for _ in range(20):
        scene.also(Clients(service.port, 1, get("/")))
    scene.stays(8, "dead")
    assert run.get("/livez").status == 200


@fault
def test_fault_03_the_log_goes_to_a_fifo_whose_reader_stops(scene):
    fifo = scene.also(Fifo(scene.place, "log"))
    service = edited(services.nginx(scene.place, workers=1), "access_log off;", f"access_log {fifo.path};")
    run = scene.start(service)
    worker = children(run.main())[0]

    def fill():
        for _ in range(900):
            scene.also(Clients(service.port, 1, get("/")))
    scene.inject("64 KiB of log unread", fill)
    scene.unready("loop_blocked")
    reason = scene.live("loop_blocked", "dead")
    assert reason["threads"] == [worker]
    assert reason["chain"][0]["op"] == "write" and "a pipe" in reason["detail"], reason
    scene.explains(worker, "write", fifo.path)


@fault
def test_fault_04_the_disk_of_its_files_hangs(scene):
    disk = scene.also(Hanging(scene.place, "www-data"))
    scene.place.file("hung.behind/unread.html", "late\n")
    service = edited(services.nginx(scene.place, workers=1), "root ", f"location /unread.html {{ root {disk.path}; }} root ")
    run = scene.start(service)
    disk.hang()
    scene.inject("FUSE daemon stopped", lambda: scene.also(Clients(service.port, 2, get("/unread.html"))))
    reason = scene.unready("io_wait", 40)
    worker = children(run.main())[0]
    assert reason["chain"][0]["tid"] == worker and "open" in reason["chain"][0]["op"], reason
    scene.stays(4, "dead")
    scene.explains(worker, "unread.html")
    disk.heal()
    scene.recovers()
    assert accepts(service.port)
