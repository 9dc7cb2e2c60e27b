# ctest: timeout=200
# SPDX-License-Identifier: Apache-2.0
"""apache2: every process in a CGI program that sleeps, every thread before a backend that says nothing, every child
of php-fpm behind it before a FIFO."""
import services_web
from faults import at_once, fault, table  # noqa: F401 pylint: disable=unused-import
from faults_inject import Clients, Fifo, Silent, get
from lifesign import children, wait_until


def with_lines(service, modules, lines, start="ServerRoot"):
    path = service.command[service.command.index("-f") + 1]
    load = "\n".join(f"LoadModule {name}_module {services_web.MODULES}/mod_{name}.so" for name in modules)
    with open(path, encoding="utf-8") as f:
        text = f.read()
    with open(path, "w", encoding="utf-8") as f:
        f.write(f"{load}\n{text}\n{lines}\n")
    return service


@fault
def test_fault_17_every_process_waits_for_its_own_program(scene):
    """With the first requests that they ever had."""
    service = services_web.apache_prefork(scene.place)
    program = scene.place.file("cgi/sleeps", "#!/bin/sh\nexec sleep 3600\n", 0o755)
    with_lines(service, ["alias", "cgi"], f'ScriptAlias /cgi {program}\n<Directory {scene.place.path}/cgi>\nRequire all granted\n'
                                          "Options +ExecCGI\n</Directory>")
    scene.start(service)
    scene.inject("sleep 3600 in 4 of 4", lambda: scene.also(Clients(service.port, 10, get("/cgi"))))
    scene.unready("pool_exhausted", 40)
    scene.stays(6, "dead")


@fault
def test_fault_18_every_thread_waits_for_a_backend_that_says_nothing(scene):
    backend = scene.also(Silent())
    service = services_web.apache(scene.place)
    with_lines(service, ["proxy", "proxy_fcgi"], f"ProxyPass /app fcgi://127.0.0.1:{backend.port}/app\nProxyTimeout 600")
    run = scene.start(service, used=40)
    scene.inject("16 requests to a silent FastCGI backend", lambda: scene.also(Clients(service.port, 40, get("/app"))))

    def all_wait():
        """apache's own race: a worker that comes back while its listener stops listening wakes nobody, and is idle until
        another one of that process comes back."""
        if all(t["op"] == "poll" for t in run.threads() if t["role"] == "worker"):
            return True
        backend.let_one_go()
        return False
    wait_until(all_wait, 30, scene.said, every=1)
    reason = scene.unready("dependency_wait", 40)
    assert f"127.0.0.1:{backend.port}" in reason["detail"], reason
    scene.stays(6, "dead")


@fault
def test_fault_19_every_child_opens_a_fifo_without_a_writer(scene):
    """Nobody outside is to blame, but nobody can tell how long a FIFO waits for its other end either."""
    fifo = scene.also(Fifo(scene.place, reader=False))
    service = scene.also(services_web.php_fpm(scene.place))
    scene.place.file(f"php{service.port}/fifo.php", f"<?php echo file_get_contents('{fifo.path}');\n")
    run = scene.start(service, used=40)
    scene.inject("file_get_contents of a FIFO in 3 of 3", lambda: scene.also(Clients(service.front, 8, get("/fifo.php"))))
    scene.unready("pool_exhausted", 40)
    scene.stays(6, "dead")
    scene.explains(children(run.main())[0], "fifo")


@fault
def test_fault_36_every_child_sleeps(scene):
    service = scene.also(services_web.php_fpm(scene.place))
    scene.place.file(f"php{service.port}/sleeps.php", "<?php sleep(3600);\n")
    scene.start(service, used=40)
    scene.inject("sleep(3600) in 3 of 3", lambda: scene.also(Clients(service.front, 8, get("/sleeps.php"))))
    scene.unready("pool_exhausted", 40)
    scene.stays(6, "dead")
