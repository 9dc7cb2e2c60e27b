# SPDX-License-Identifier: Apache-2.0
"""Hostility and its witnesses: a redis beside a hostile process, somebody who asks /livez all the time, memory."""
import collections
import os
import signal
import socket
import struct
import threading
import time

import lifesign
import services
from lifesign import comm, descendants, mapped, wait_until

SCRIBBLE = os.path.join(lifesign.SUPPORT, "scribble")
IN_TIME = 3 if lifesign.SANITIZED else 1
Header = collections.namedtuple("Header", "magic major header_bytes process_bytes process_count process_offset "
                                "slot_bytes slot_count slot_offset segment_bytes")


def redis_beside(run, place, words, options=("--slots", "256")):
    """redis as the main process, `words` as a child of its own; both share the segment: (Run, Service)."""
    service = services.redis(place)
    script = '"$@" & shift $#; eval "exec $REDIS"'
    started = run(["/bin/sh", "-c", script, "sh", *map(str, words)], options=list(options), env={"REDIS": " ".join(service.command)})
    wait_until(service.ping, 10, started.said)
    started.wait_ready()
    main = started.main()
    assert comm(main).startswith("redis"), comm(main)
    assert mapped(main)
    return started, service


def end(started):
    """The hostile one first: `run` ends with COMMAND, whose child outlives it. Then a clean end of the service."""
    for pid in descendants(started.pid):
        if comm(pid) == "scribble":
            os.kill(pid, signal.SIGKILL)
    assert started.stop() == 0, started.said()


def say(port, *words):
    with socket.create_connection(("127.0.0.1", port), 2) as s:
        s.settimeout(5)
        s.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
        return s.recv(65536)


def unharmed(started, service, rounds):
    """The service does what it is for, the two of ours live."""
    for i in range(rounds):
        value = os.urandom(8).hex().encode()
        assert say(service.port, b"SET", b"k%d" % i, value) == b"+OK\r\n"
        assert say(service.port, b"GET", b"k%d" % i) == b"$16\r\n" + value + b"\r\n"
    assert service.load(requests=400) == 400
    assert started.process.poll() is None, started.said()


def anonymous(pid):
    """Private memory in kB that is no file's."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Anonymous:"))


def header(started):
    """Of the segment, as the supervisor's mapping has it; None while magic is wrong."""
    with open(f"/proc/{started.pid}/maps", encoding="ascii") as maps:
        line = next(line for line in maps if "memfd:lifesign " in line and "rw-s" in line)
    with open(f"/proc/{started.pid}/mem", "rb", 0) as memory:
        memory.seek(int(line.split("-")[0], 16))
        data = memory.read(128)
    magic, major, _, size, process_bytes, process_count, process_offset, slot_bytes, slot_count, slot_offset, total = struct.unpack_from(
        "<QHHIIIQIIQQ", data)
    found = Header(magic, major, size, process_bytes, process_count, process_offset, slot_bytes, slot_count, slot_offset, total)
    return found if magic == 0x4E4749534546494C else None


class Watch(threading.Thread):
    """Asks /livez all the time on a connection each. `restarts`: agents that the test ends; `ends`: the service ends by itself."""

    def __init__(self, started, restarts=0, ends=False):
        super().__init__(daemon=True)
        self.started, self.restarts, self.ends = started, restarts, ends
        self.stopped = threading.Event()
        self.answers, self.slow, self.slowest, self.wrong, self.cut = 0, 0, 0.0, [], 0

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.join(10)

    def run(self):
        while not self.stopped.wait(0.005):
            began = time.monotonic()
            try:
                answer = self.started.get("/livez", timeout=5)
            except OSError as error:
                if isinstance(error, ConnectionResetError) and self.cut < self.restarts:
                    self.cut += 1  # it was in flight when the test killed the agent
                    continue
                if self.ends and (self.stopped.wait(0.5) or self.started.process.poll() is not None):
                    return
                self.wrong.append(repr(error))
                continue
            took = time.monotonic() - began
            self.slowest = max(self.slowest, took)
            self.slow += took > IN_TIME
            self.answers += 1
            exited = self.ends and b"exited" in answer.body
            if (answer.status != 200 or answer.headers["Lifesign-Verdict"] == "dead") and not exited:
                self.wrong.append(repr(answer))

    def judge(self):
        assert not self.wrong, (self.wrong[:5], self.started.said())
        assert self.answers > 0
        assert self.slow <= 2 + self.answers / 100, f"{self.slow} of {self.answers} in more than {IN_TIME} s"  # a machine may stand still
        assert "was ended by signal" not in self.started.err() or self.restarts, self.started.said()
        assert "does not beat" not in self.started.err(), self.started.said()
        if self.started.process.poll() is None:
            assert self.started.status()["agent"]["restarts"] == self.restarts, self.started.said()


__all__ = ["SCRIBBLE", "Header", "Watch", "anonymous", "end", "header", "redis_beside", "say", "unharmed"]
