# ctest: timeout=120
# SPDX-License-Identifier: Apache-2.0
"""The old connection stays open and dead, as behind a partition; a new one works: each kind takes a new one by itself."""
import contextlib
import select
import socket
import threading

import pytest

from kinds import Prober
from kinds_postgres import Postgres
from test_kind_memcached import Memcached
from test_kind_mongodb import Mongo
from test_kind_mysql import Maria
from test_kind_redis import Redis

SERVERS = {"postgres": Postgres, "redis": Redis, "mysql": Maria, "memcached": Memcached, "mongodb": Mongo}


class Wire:
    """Passes bytes on between its own port and another. freeze(): what is open stays so, and nothing comes through it
    ever again; what is opened later works."""

    def __init__(self, port):
        self.to, self.frozen, self.opened, self.ended = port, set(), 0, threading.Event()
        self.open = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while not self.ended.is_set():
            try:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.to), 5)
            except OSError:
                return
            self.open.append((near, far))
            self.opened += 1
            threading.Thread(target=self._pass_on, args=(near, far), daemon=True).start()

    def _pass_on(self, near, far):
        other = {near: far, far: near}
        with contextlib.suppress(OSError, ValueError):
            while not self.ended.is_set() and near not in self.frozen:
                for one in select.select([near, far], [], [], 0.05)[0]:
                    data = one.recv(65536)
                    if near not in self.frozen:
                        other[one].sendall(data)
                    if not data:
                        other[one].shutdown(socket.SHUT_WR)
                        return

    def freeze(self):
        self.frozen.update(near for near, _ in self.open)

    def close(self):
        self.ended.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for near, far in self.open:
            near.close()
            far.close()


@pytest.mark.parametrize("kind", SERVERS)
def test_a_dead_connection_is_left_for_a_new_one(place, plain, kind):
    server = SERVERS[kind](place, plain)
    wire = Wire(server.port)
    url = server.url().replace(f":{server.port}", f":{wire.port}")
    with Prober(place, {"kind": kind, "url": url}) as prober:
        try:
            prober.until("up")
            fds = prober.fds()
            for round_number in range(1, 3):
                assert (prober.ask().said(), wire.opened) == ("up", round_number)
                wire.freeze()
                assert prober.ask(1.2).said() == "timeout"
                assert prober.ask().said() == "up"
            assert prober.fds() == fds and prober.threads() == 1
        finally:
            wire.close()
