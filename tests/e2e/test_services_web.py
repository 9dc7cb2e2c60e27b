# ctest: timeout=240
# SPDX-License-Identifier: Apache-2.0
"""apache2 (event and prefork), haproxy (master and worker) and php-fpm under `lifesign run`, used, restarted
gracefully and ended."""
import os
import signal

import pytest

import services_web
from lifesign import Place, Run, descendants, mapped, wait_until
from service_suite import EveryService, started

KINDS = {"apache-event": services_web.apache, "apache-prefork": services_web.apache_prefork, "haproxy": services_web.haproxy,
         "php-fpm": services_web.php_fpm}


@pytest.fixture(scope="module", params=KINDS)
def pair(request):
    yield from started(KINDS[request.param])


class TestEach(EveryService):
    pass


def test_a_new_haproxy_takes_over_from_the_old_one_by_sf():
    """Daemons: the one that was started first ends when its successor, started with -sf, has its listener."""
    place = Place()
    service = services_web.haproxy(place)
    pid_file, fifo = place.file("haproxy.pid"), place.file("next")
    os.mkfifo(fifo)
    start = f"/usr/sbin/haproxy -D -p {pid_file} -f {service.command[-1]}"
    script = f'{start} && (read next <{fifo}; {start} -sf $(cat {pid_file})) & wait; exit 0'
    run = Run(["/bin/sh", "-c", script], place=place)
    try:
        wait_until(service.ping, 20, run.said)
        run.wait_ready()
        answers = service.answers()
        old = [pid for pid in descendants(run.pid) if pid == int(open(pid_file, encoding="ascii").read())]
        assert old, "the first one runs"
        with open(fifo, "w", encoding="ascii") as f:
            f.write("next\n")

        def taken():
            processes = run.status()["processes"]
            return processes and not [p for p in processes if p["pid"] in old or p["exe"] != "haproxy" or p["coverage"] != "shim"]
        wait_until(taken, 10, lambda: f"old {old}, now {run.status()['processes']}; {run.said()}")
        assert all(mapped(p["pid"]) for p in run.status()["processes"])
        assert service.answers() == answers
        wait_until(lambda: run.get("/livez").headers["Lifesign-Verdict"] == "alive", 5, run.status)
        assert run.get("/readyz").status == 200, run.status()
        assert [e["address"] for e in run.status()["listeners"]] == [f"127.0.0.1:{service.port}"]
        assert not any(entry["to"] == "dead" for entry in run.status()["events"]), run.status()["events"]
        run.stop(signal.SIGTERM)
    finally:
        run.close()
        service.close()
        place.remove()
