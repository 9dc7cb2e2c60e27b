# ctest: timeout=200
# SPDX-License-Identifier: Apache-2.0
"""Where the two halves meet: a thread that waits for a dependency is no death, and work that waits elsewhere is seen."""
import subprocess

from depending import Answers, Depending
from kinds import Faulty, Server, silent
from lifesign import SUPPORT, accepts, free_port, holds_for, wait_until

# Answers one connection at a time, and asks its database first.
ASKS_FIRST = """
import socket
listener = socket.create_server(("127.0.0.1", {own}), backlog=64)
first = True
while True:
    client = listener.accept()[0]
    if client.recv(100).startswith(b"ask"):
        database = socket.create_connection(("127.0.0.1", {database}))
        database.sendall(b"select")
        database.recv(100)
    client.sendall(b"done")
    client.close()
"""


def test_who_waits_for_a_dead_dependency_is_alive_and_it_is_named(run, place):
    own = free_port()
    with Faulty(silent) as database:
        service = Depending(run, place, [{"name": "db", "url": f"tcp://127.0.0.1:{database.port}", "expect": "x"}],
                            command=["/usr/bin/python3", "-c", ASKS_FIRST.format(own=own, database=database.port)],
                            liveness={"loopBlockedSeconds": 8, "noProgressSeconds": 8, "knock": False})
        service.until("db", "down", "timeout")
        clients = [ask(own, b"ask") for _ in range(4)]

        def reason():
            return next((r for r in service.status()["ready"]["reasons"] if r["code"] == "dependency_wait"), None)
        found = wait_until(reason, 30, service.said)
        assert found["dependency"] == "db" and "(db)" in found["detail"], found
        holds_for(lambda: service.run.get("/livez").status == 200, 10, service.said, every=0.2)
        held = [r for r in service.status()["live"]["reasons"] if r["held"] == "dependency_wait"]
        assert held or service.status()["live"]["verdict"] in ("alive", "degraded")
        for client in clients:
            client.close()


def test_fail_open_forgives_who_waits_for_what_is_down_for_all(run, place):
    own = free_port()
    with Faulty(silent) as database, Faulty(silent, host="127.0.0.2") as cache:
        service = Depending(run, place, [{"name": "db", "url": f"tcp://127.0.0.1:{database.port}", "expect": "x", "class": "hard"},
                                         {"name": "cache", "url": f"tcp://127.0.0.2:{cache.port}", "expect": "x", "class": "hard"}],
                            command=["/usr/bin/python3", "-c", ASKS_FIRST.format(own=own, database=database.port)],
                            liveness={"loopBlockedSeconds": 4, "noProgressSeconds": 4, "knock": False},
                            failOpen={"allHardDown": True})
        service.until("db", "down", "timeout")
        service.until("cache", "down", "timeout")
        service.until_ready()
        clients = [ask(own, b"ask") for _ in range(2)]
        codes = wait_until(lambda: (found := {r["code"] for r in service.status()["ready"]["reasons"]}) >= {"dependency_wait", "fail_open"}
                           and found, 30, service.said)
        assert "dependency_wait" in codes
        holds_for(lambda: service.ready() and service.run.get("/livez").status == 200, 6, service.said, every=0.2)
        for client in clients:
            client.close()


def test_who_is_waited_for_is_asked_at_once_where_it_may_fail_open(run, place):
    own = free_port()
    with Answers() as database:
        service = Depending(run, place, [{**database.dependency("db"), "class": "hard"}],
                            command=["/usr/bin/python3", "-c", ASKS_FIRST.format(own=own, database=database.port)],
                            readiness={"periodSeconds": 60}, liveness={"loopBlockedSeconds": 4, "noProgressSeconds": 4, "knock": False},
                            failOpen={"allHardDown": True})
        service.until_ready()
        database.answering = False
        asked = database.asked
        clients = [ask(own, b"ask") for _ in range(2)]
        wait_until(lambda: database.asked > asked + 1, 20, service.said)  # the service's question, and ours
        service.until("db", "down", "timeout", seconds=20)
        service.until_ready(False)  # one alone does not fail open
        assert service.run.get("/livez").status == 200
        for client in clients:
            client.close()


def ask(port, data):
    import socket
    client = socket.create_connection(("127.0.0.1", port), 5)
    client.sendall(data)
    return client


def test_work_that_waits_while_everybody_is_idle_degrades(run, place, plain):
    port = free_port()
    Server(plain, ["/usr/bin/redis-server", "--port", port, "--save", "", "--dir", place.directory("redis")], lambda: accepts(port))

    def redis(*words):
        subprocess.run(["/usr/bin/redis-cli", "-p", str(port), *words], check=True, capture_output=True)
    redis("RPUSH", "jobs", *"abcdefgh")
    service = Depending(run, place, [{"name": "jobs", "kind": "redis", "url": f"redis://127.0.0.1:{port}", "command": "LLEN jobs", "work": True}],
                        command=[f"{SUPPORT}/tiny_server", free_port()])
    assert service.until("jobs", "up")["value"] == 8

    def idle():
        return [r for r in service.status()["live"]["reasons"] if r["code"] == "idle_with_backlog"]
    wait_until(idle, 60, service.said)
    assert service.status()["live"]["verdict"] == "degraded" and service.run.get("/livez").status == 200 and service.ready()
    redis("DEL", "jobs")
    wait_until(lambda: not idle(), 30, service.said)
