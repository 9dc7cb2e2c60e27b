# ctest: timeout=400
# SPDX-License-Identifier: Apache-2.0
"""What a service uses of what it may have: near a limit it is not ready, and ready again when it gave back; what
grows without end is degraded. None of it is ever dead."""
import os
import resource
import socket
import uuid

import pytest

from lifesign import Run, SOURCE, free_port, wait_until

PROGRAM = os.path.join(SOURCE, "tests/e2e/programs/limits.py")
MEMORY = "/sys/fs/cgroup/memory", "/sys/fs/cgroup"


class Server:
    def __init__(self, options=(), preexec=None):
        self.port = free_port()
        self.run = Run(["/usr/bin/python3", PROGRAM, self.port], options=options, preexec=preexec)
        self.run.wait_ready()

    def ask(self, words, wait=True):
        connection = socket.create_connection(("127.0.0.1", self.port), 60)
        connection.sendall(words.encode())
        if wait:
            assert connection.recv(10) == b"done"
            connection.close()
        return connection

    def reason(self, code):
        return next((r for r in self.run.status()["ready"]["reasons"] if r["code"] == code), None)

    def wait_not_ready(self, code, seconds=60):
        wait_until(lambda: self.run.get("/readyz").status == 503 and self.reason(code), seconds, lambda: str(self.run.status()["ready"]))
        assert self.run.get("/livez").status == 200
        return self.reason(code)["detail"]


@pytest.fixture
def server(request):
    started = []

    def start(**options):
        started.append(Server(**options))
        return started[-1]
    yield start
    for one in started:
        one.run.close()


def test_a_full_accept_queue_is_not_ready_until_somebody_takes_from_it(server):
    it = server()
    it.ask("pause 10", wait=False)
    waiting = []
    for _ in range(9):
        connection = socket.socket()
        connection.setblocking(False)
        connection.connect_ex(("127.0.0.1", it.port))
        waiting.append(connection)
    assert "has room for 8" in it.wait_not_ready("queue_full")
    for connection in waiting:
        connection.close()
    it.run.wait_ready(60)
    assert it.reason("queue_full") is None


def test_open_files_near_their_limit_are_not_ready(server):
    it = server(preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200)))
    it.ask("files 185")
    assert "it may have 200" in it.wait_not_ready("fd_exhaustion")
    it.ask("close")
    it.run.wait_ready()


@pytest.fixture
def memory_cgroup():
    mount = next(place for place in MEMORY if os.path.exists(place + "/memory.limit_in_bytes") or os.path.exists(place + "/memory.stat"))
    path = f"{mount}/lifesign-{uuid.uuid4().hex[:8]}"
    os.mkdir(path)
    limit = next(name for name in ("memory.limit_in_bytes", "memory.max") if os.path.exists(f"{path}/{name}"))
    with open(f"{path}/{limit}", "w", encoding="ascii") as f:
        f.write(str(256 << 20))
    yield path
    with open(f"{path}/cgroup.procs", encoding="ascii") as f:
        for pid in f.read().split():
            with open(f"{mount}/cgroup.procs", "w", encoding="ascii") as out:
                out.write(pid)
    os.rmdir(path)


def test_memory_near_the_limit_of_the_cgroup_is_not_ready(server, memory_cgroup):
    it = server()
    with open(f"{memory_cgroup}/cgroup.procs", "w", encoding="ascii") as f:
        f.write(str(it.run.main()))
    it.ask("memory 246")
    assert "of 256 MiB" in it.wait_not_ready("memory_pressure")
    it.ask("free")
    it.run.wait_ready()


def test_threads_of_one_kind_that_only_become_more_are_told_and_gate_nothing(server, tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("liveness: {sampleSeconds: 0.01}\n")  # a window of growth is 600 samples
    it = server(options=["--config", config])
    it.ask("threads 3000")
    wait_until(lambda: it.reason("thread_leak"), 200, lambda: str(it.run.status()["workers"]))
    assert "more and more of them" in it.reason("thread_leak")["detail"]
    assert it.run.get("/readyz").status == 200
    assert it.run.get("/livez").headers["Lifesign-Verdict"] == "degraded"


