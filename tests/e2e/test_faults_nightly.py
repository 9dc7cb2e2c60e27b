# ctest: nightly timeout=400
# SPDX-License-Identifier: Apache-2.0
"""The same faults with the limits that nobody has changed: who is dead, after how long, and who never is."""
import services
import services_web
from faults import at_once, fault, table  # noqa: F401 pylint: disable=unused-import
from faults_inject import Clients, Disk, Fifo, get
from test_faults_apache import with_lines
from test_faults_nginx import edited, with_echo
from test_faults_redis import say

LONG = 100  # seconds, past every limit


def blocked_loop(scene, service, code="loop_blocked"):
    """Not ready after 5 s, dead after 30."""
    scene.unready(code, 30)
    assert scene.last[3] > 4, scene.last
    scene.live(code, "dead", 90)
    assert 29 < scene.last[3] < 45, scene.last
    assert service.port


@fault
def test_fault_01_a_worker_sleeps_in_its_loop(scene):
    service = with_echo(scene, 1)
    scene.start(service, None)
    scene.inject("defaults: echo_blocking_sleep", lambda: scene.also(Clients(service.port, 1, get("/b"))))
    scene.also(Clients(service.port, 1, get("/")))
    blocked_loop(scene, service)


@fault
def test_fault_03_the_log_goes_to_a_fifo_whose_reader_stops(scene):
    fifo = scene.also(Fifo(scene.place, "log"))
    service = edited(services.nginx(scene.place, workers=1), "access_log off;", f"access_log {fifo.path};")
    scene.start(service, None)
    scene.inject("defaults: 64 KiB of log unread", lambda: [scene.also(Clients(service.port, 1, get("/"))) for _ in range(900)])
    blocked_loop(scene, service)


@fault
def test_fault_05_the_loop_sleeps(scene):
    service = services.redis(scene.place, options=["--enable-debug-command", "yes"])
    scene.start(service, None)
    scene.inject("defaults: DEBUG SLEEP 120", lambda: scene.also(Clients(service.port, 1, say(0, "DEBUG", "SLEEP", 120))))
    blocked_loop(scene, service)


@fault
def test_fault_08_the_disk_of_its_log_hangs(scene):
    disk = scene.also(Disk(scene.place))
    service = services.redis(scene.place)
    service.command[service.command.index("--dir") + 1] = disk.path
    service.command[service.command.index("--appendonly") + 1] = "yes"
    scene.start(service, None)
    disk.hang()
    scene.inject("defaults: fsfreeze of its append-only file", lambda: scene.also(Clients(service.port, 2, say(0, "SET", "k", "v"))))
    scene.unready("io_wait", 60)
    scene.stays(LONG, "dead")
    disk.heal()
    scene.recovers()


@fault
def test_fault_17_every_process_waits_for_its_own_program(scene):
    service = services_web.apache_prefork(scene.place)
    program = scene.place.file("cgi/sleeps", "#!/bin/sh\nexec sleep 3600\n", 0o755)
    with_lines(service, ["alias", "cgi"], f'ScriptAlias /cgi {program}\n<Directory {scene.place.path}/cgi>\nRequire all granted\n'
                                          "Options +ExecCGI\n</Directory>")
    scene.start(service, None, used=40)
    scene.inject("defaults: sleep 3600 in 4 of 4", lambda: scene.also(Clients(service.port, 10, get("/cgi"))))
    scene.unready("pool_exhausted", 60)
    scene.stays(LONG, "dead")


@fault
def test_fault_19_every_child_opens_a_fifo_without_a_writer(scene):
    """Nobody but itself and no time will end that: dead after 60 s."""
    fifo = scene.also(Fifo(scene.place, reader=False))
    service = scene.also(services_web.php_fpm(scene.place))
    scene.place.file(f"php{service.port}/fifo.php", f"<?php echo file_get_contents('{fifo.path}');\n")
    scene.start(service, None, used=40)
    scene.inject("defaults: a FIFO in 3 of 3", lambda: scene.also(Clients(service.front, 8, get("/fifo.php"))))
    scene.unready("pool_exhausted", 60)
    scene.live("pool_exhausted", "dead", 120)
    assert 59 < scene.last[3] < 90, scene.last


@fault
def test_fault_36_every_child_sleeps(scene):
    service = scene.also(services_web.php_fpm(scene.place))
    scene.place.file(f"php{service.port}/sleeps.php", "<?php sleep(3600);\n")
    scene.start(service, None, used=40)
    scene.inject("defaults: sleep(3600) in 3 of 3", lambda: scene.also(Clients(service.front, 8, get("/sleeps.php"))))
    scene.unready("pool_exhausted", 60)
    scene.stays(LONG, "dead")
