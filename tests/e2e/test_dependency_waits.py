# ctest: timeout=200
# SPDX-License-Identifier: Apache-2.0
"""Where the two halves meet: a thread that waits for a dependency is no death, and work that waits elsewhere is seen."""
import subprocess

from depending import Depending
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
    wait_until(lambda: not idle(), 15, service.said)
