# ctest: timeout=400
# SPDX-License-Identifier: Apache-2.0
"""apache2 (event and prefork), haproxy (master and worker) and php-fpm under `lifesign run`, used, restarted
gracefully and ended; haproxy -sf, and nginx's change of its program."""
import os
import signal

import pytest

import services
import services_web
from lifesign import Place, Run, children, descendants, mapped, wait_until
from service_suite import EveryService, Watch, started

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
        wait_until(service.ping, 60, run.said)
        run.wait_ready()
        answers = service.answers()
        old = [pid for pid in descendants(run.pid) if pid == int(open(pid_file, encoding="ascii").read())]
        assert old, "the first one runs"
        with open(fifo, "w", encoding="ascii") as f:
            f.write("next\n")

        def taken():
            processes = run.status()["processes"]
            return processes and not [p for p in processes if p["pid"] in old or p["exe"] != "haproxy" or p["coverage"] != "shim"]
        wait_until(taken, 60, lambda: f"old {old}, now {run.status()['processes']}; {run.said()}")
        assert all(mapped(p["pid"]) for p in run.status()["processes"])
        assert service.answers() == answers
        wait_until(lambda: run.get("/livez").headers["Lifesign-Verdict"] == "alive", 30, run.status)
        assert run.get("/readyz").status == 200, run.status()
        wait_until(lambda: [e["address"] for e in run.status()["listeners"]] == [f"127.0.0.1:{service.port}"], 30, run.status)
        assert not any(entry["to"] == "dead" for entry in run.status()["events"]), run.status()["events"]
        run.stop(signal.SIGTERM)
    finally:
        run.close()
        service.close()
        place.remove()


@pytest.mark.parametrize("kept", [True, False], ids=["environment-kept", "environment-scrubbed"])
def test_nginx_upgrades_its_program(kept):
    """USR2 and QUIT: a new master takes over the listener. nginx gives it an environment of its own: with two lines of
    configuration the shim goes along, without them it is told what to do; both probes stay good either way."""
    place = Place()
    service = services.nginx(place, daemon=True, extra="env LD_PRELOAD; env LIFESIGN_SEGMENT;" if kept else "")
    run = Run(service.command, place=place)
    watch = None
    try:
        wait_until(service.ping, 60, run.said)
        run.wait_ready()
        pid_file = place.file("nginx/pid")
        with open(pid_file, encoding="ascii") as f:
            old = int(f.read())
        wait_until(lambda: run.main() == old, 30, "the one that nginx leaves behind as its daemon")
        watch = Watch(run)
        os.kill(old, signal.SIGUSR2)
        wait_until(lambda: os.path.exists(pid_file + ".oldbin") and os.path.exists(pid_file) and os.path.getsize(pid_file), 30, run.said)
        with open(pid_file, encoding="ascii") as f:
            new = int(f.read())
        wait_until(lambda: len(children(new)) == 2, 30, "the new workers")
        os.kill(old, signal.SIGQUIT)
        coverage = "shim" if kept else "outside"

        def taken():
            processes = run.status()["processes"]
            return len(processes) == 3 and processes[0]["pid"] == new and all(p["coverage"] == coverage for p in processes)
        wait_until(taken, 60, lambda: f"{run.status()['processes']}; {run.said()}")
        assert [mapped(p["pid"]) for p in run.status()["processes"]] == [kept] * 3
        wait_until(lambda: kept or "its parent scrubbed the environment" in run.err(), 30, run.err)
        assert service.load() == 200
        verdict = "alive" if kept else "unknown"
        wait_until(lambda: run.get("/livez").headers["Lifesign-Verdict"] == verdict, 30, run.status)
        watch.finish()
        assert watch.count and not watch.wrong, watch.wrong
        run.stop()
    finally:
        if watch:
            watch.finish()
        run.close()
        place.remove()
