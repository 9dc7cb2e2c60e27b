# SPDX-License-Identifier: Apache-2.0
"""Dependencies of every kind, none of which ever answers: queues that are full, servers that accept and are silent, names
that nobody looks up, commands that hang."""
import contextlib
import socket
import threading
import time

from kinds import Faulty, black_hole, silent

# By kind: what a dependency of it says, with the port of what does not answer.
KINDS = {
    "postgres": lambda port: {"url": f"postgresql://nobody@127.0.0.1:{port}/x"},
    "redis": lambda port: {"url": f"redis://127.0.0.1:{port}"},
    "nats": lambda port: {"url": f"nats://127.0.0.1:{port}"},
    "mongodb": lambda port: {"url": f"mongodb://127.0.0.1:{port}"},
    "kafka": lambda port: {"url": f"kafka://127.0.0.1:{port}"},
    "http": lambda port: {"url": f"http://127.0.0.1:{port}/"},
    "grpc": lambda port: {"url": f"grpc://127.0.0.1:{port}"},
    "tcp": lambda port: {"url": f"tcp://127.0.0.1:{port}", "expect": "x"},
    "mysql": lambda port: {"url": f"mysql://nobody@127.0.0.1:{port}"},
    "memcached": lambda port: {"url": f"memcached://127.0.0.1:{port}"},
    "dns": lambda port: {"kind": "dns", "url": f"dns://127.0.0.1:{port}", "query": "name.test"},
    "exec": lambda _: {"kind": "exec", "command": ["/bin/sleep", "1000"]},
}


class Mixed:
    """`count` dependencies, of all kinds in turn, every other one silent, every other one not even accepting, and every
    fourth by a name (mute_dns() of who uses it); `heard`: when the first `tcp` one came."""

    def __init__(self, count):
        self.stack = contextlib.ExitStack()
        self.heard = []
        self.clock = self.stack.enter_context(Faulty(self._hear))  # for tcp alone: libraries also come between cycles
        self.silent = self.stack.enter_context(Faulty(silent))
        self.full = self.stack.enter_context(black_hole())
        self.mute = self.stack.enter_context(self._mute())
        self.dependencies = [self._one(number) for number in range(count)]

    def _hear(self, connection):
        self.heard.append(time.monotonic())
        silent(connection)

    @contextlib.contextmanager
    def _mute(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 0))
            threading.Thread(target=self._swallow, args=(server,), daemon=True).start()
            yield server.getsockname()[1]

    @staticmethod
    def _swallow(server):
        with contextlib.suppress(OSError):
            while True:
                server.recv(4096)

    def _one(self, number):
        kind = list(KINDS)[number % len(KINDS)]
        turn = number // len(KINDS)
        port = self.mute if kind == "dns" else self.silent.port if (number + turn) % 2 else self.full
        if kind == "tcp" and turn == 0:
            port = self.clock.port
        keys = KINDS[kind](port)
        if kind not in ("dns", "exec") and turn % 4 == 3:
            keys["url"] = keys["url"].replace("127.0.0.1", f"{kind}{number}.lifesign.example")
        return {"name": f"{kind}{number}", **keys}

    def close(self):
        self.stack.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
