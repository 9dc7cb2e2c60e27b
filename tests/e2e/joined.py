# SPDX-License-Identifier: Apache-2.0
"""`lifesign agent` and services that join it by a bare LD_PRELOAD and LIFESIGN_DIR."""
import os
import uuid

import lifesign
from lifesign import SHIM, Plain, ask, free_port, wait_until


def is_mapped(pid, what="liblifesign"):
    with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as maps:
        return what in maps.read()


def come_first():
    """A service waits 20 ms for its supervisor's answer and then runs uncovered, on a machine that is busy with other tests
    once in fifty times. So this supervisor gets a CPU at once, where that is allowed; what it begins is as ever."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except OSError:
        pass


def has_joined(one):
    """Has it the segment a moment after it has the shim? Who has ended already is nobody's concern."""
    def is_over():
        return one.process.poll() is not None or is_mapped(one.pid)
    wait_until(is_over, 15, one.said)
    try:
        return wait_until(lambda: one.process.poll() is not None or is_mapped(one.pid, "memfd:lifesign"), 1)
    except AssertionError:
        return False


class Agent(Plain):
    """`lifesign agent --dir DIR OPTIONS`; `dir` given: an earlier one's."""

    def __init__(self, options=(), place=None, directory=None, mode=0o755, wrap=(), up=True, preexec=None, **rest):
        def ahead():
            come_first()
            if preexec:
                preexec()
        place = place or lifesign.Place()
        self.port = free_port()
        self.dir = directory or place.directory(f"d{uuid.uuid4().hex[:6]}", owner=rest.get("user"), mode=mode)
        super().__init__([*wrap, lifesign.BIN, "agent", "--dir", self.dir, "--listen", f"127.0.0.1:{self.port}", *options],
                         place=place, preexec=ahead, **rest)
        self.joined = []
        if up:
            wait_until(lambda: self.try_get("/agent/livez"), 10, self.said)

    def get(self, path, unix=False, timeout=5, **options):
        return ask(os.path.join(self.dir, "agent.sock") if unix else self.port, path, options.get("headers"), options.get("method", "GET"),
                   timeout)

    def try_get(self, path, **options):
        try:
            return self.get(path, **options)
        except (OSError, lifesign.http.client.HTTPException):
            return None

    def names(self):
        return sorted(row["name"] for row in self.get("/services").json())

    def status(self, name=None):
        return self.get(f"/services/{name}/health/status" if name else "/health/status", unix=True).json()

    def start(self, command, service=None, env=None, joins=True, **options):
        """A service of its own, not a child of anything that is lifesign's. Who was not answered in time is started anew, as
        `joins` says that he is to be covered."""
        given = {"LD_PRELOAD": SHIM, "LIFESIGN_DIR": self.dir, **(env or {})}
        if service:
            given["LIFESIGN_SERVICE"] = service
        for _ in range(5):
            self.joined.append(Plain(command, env=given, place=self.place, **options))
            if not joins or not given["LD_PRELOAD"] or has_joined(self.joined[-1]):
                break
            self.joined.pop().close()
        else:
            raise AssertionError(f"{command} never joined; {self.said()}")
        return self.joined[-1]

    def has(self, name, pid):
        """The status of a service once its main process is this one and it is covered."""
        def look():
            answer = self.try_get(f"/services/{name}/health/status", unix=True)
            processes = answer.json()["processes"] if answer and answer.status == 200 else []
            return processes and processes[0]["pid"] == pid and processes[0]["coverage"] == "shim" and answer.json()
        return wait_until(look, 15, lambda: (name, pid, self.names(), self.said()))

    def is_ready(self, name):
        return wait_until(lambda: self.get(f"/services/{name}/readyz").status == 200, 15, lambda: self.status(name))

    def close(self):
        for one in self.joined:
            one.close()
        super().close()
