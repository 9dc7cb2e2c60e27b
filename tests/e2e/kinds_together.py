# SPDX-License-Identifier: Apache-2.0
"""Real servers of every kind at once, with TLS or without; wires before them; a look at a service all the time."""
import contextlib
import select
import socket
import threading
import time

from kinds import Certificates, Server, side_by_side
from kinds_postgres import Postgres
from lifesign import free_port
from services_net import dnsmasq
from test_kind_grpc import Grpc
from test_kind_http import Web
from test_kind_kafka_login import LOGIN, Kafka
from test_kind_memcached import Memcached
from test_kind_mongodb import SECRET, Mongo
from test_kind_mysql import Maria
from test_kind_nats import Nats
from test_kind_redis import Redis
from test_kinds_frozen import Wire

PING = """#!/bin/bash
exec 3<>/dev/tcp/127.0.0.1/{port} || exit 2
printf 'PING\\r\\n' >&3 && read -r line <&3 && [ "$line" = $'+PONG\\r' ]
"""
USER = "app:se%23cret@"
KEYS = {"kafka": {"topic": "events"}, "dns": {"query": "fixed.test"}, "tcp": {"send": "PING\\r\\n", "expect": "+PONG"},
        "mysql": {"query": "SELECT 17", "max": 17}, "redis": {"command": "DBSIZE", "max": 1}, "postgres": {"role": "primary"}}
NETWORK = ("postgres", "redis", "nats", "mongodb", "kafka", "http", "grpc", "mysql", "memcached", "tcp")  # over TCP
KINDS = (*NETWORK, "dns", "exec")


class Dns(Server):
    def __init__(self, place, plain):
        service = dnsmasq(place)
        self.port = service.port
        super().__init__(plain, service.command, service.ping)

    def url(self):
        return f"dns://127.0.0.1:{self.port}"


class Parting(Wire):
    """part(): what is open is dead, and what is new is not answered either, until heal()."""

    def __init__(self, port):
        self.parted, self.fillers = threading.Event(), []
        self.door = threading.Lock()  # who comes in while it parts is either let in and frozen, or not let in
        super().__init__(port)

    def _accept(self):
        while not self.ended.is_set():
            with contextlib.suppress(OSError, ValueError):
                with self.door:
                    if not self.parted.is_set() and select.select([self.listener], [], [], 0)[0]:
                        self._take(self.listener.accept()[0])
                        continue
            self.ended.wait(0.01)

    def _take(self, near):
        try:
            far = socket.create_connection(("127.0.0.1", self.to), 5)
        except OSError:
            near.close()
            return
        self.open.append((near, far))
        self.opened += 1
        threading.Thread(target=self._pass_on, args=(near, far), daemon=True).start()

    def part(self):
        with self.door:
            self.parted.set()
            self.freeze()
        self.listener.listen(0)
        for _ in range(3):
            self.fillers.append(socket.socket())
            self.fillers[-1].setblocking(False)
            self.fillers[-1].connect_ex(("127.0.0.1", self.port))

    def heal(self):
        for filler in self.fillers:
            filler.close()
        self.fillers = []
        self.freeze()  # also who came in while it parted
        self.listener.listen(128)
        self.parted.clear()

    def close(self):
        for filler in self.fillers:
            filler.close()
        super().close()


class Everybody:
    """A server of each kind; with `wires` before those over TCP. Keys: the kinds' names."""

    def __init__(self, place, plain, tls=False, wires=False):
        self.place, self.plain, self.certificates = place, plain, Certificates(place) if tls else None
        ports = {"kafka": free_port()}
        self.wires = {"kafka": Parting(ports["kafka"])} if wires else {}  # a broker says where it is
        self.servers = side_by_side({name: lambda n=name: self._make(n, ports) for name in (*NETWORK, "dns")})
        self.wires.update({name: Parting(self.servers[name].port) for name in NETWORK if wires and name != "kafka"})
        self.script = place.file("ping", PING.format(port=self.servers["tcp"].unencrypted), mode=0o755)

    def close(self):
        for wire in self.wires.values():
            wire.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _make(self, name, ports):
        pair = self.certificates.right if self.certificates else None
        encrypts = {"kafka": ["--tls"], "mongodb": ["--tls"]}
        options = [*encrypts.get(name, []), *pair] if pair and name in encrypts else []
        advertise = ["--advertise", f"127.0.0.1:{self.wires[name].port}"] if name in self.wires else []
        return {
            "postgres": lambda *a: Postgres(*a, certificate=pair), "mysql": lambda *a: Maria(*a, certificate=pair),
            "redis": self._redis, "tcp": self._redis, "dns": Dns, "grpc": lambda _, plain: Grpc(plain, "health", pair or ()),
            "nats": lambda *a: Nats(*a, f"tls {{ cert_file: {pair[0]}\n key_file: {pair[1]} }}" if pair else ""),
            "mongodb": lambda *a: Mongo(*a, "--user", f"app:{SECRET}", *options),
            "kafka": lambda *a: Kafka(*a, *LOGIN, *options, *advertise, port=ports["kafka"]), "http": lambda *a: Web(*a, pair),
            "memcached": lambda *a: Memcached(*a, *(["-Z", "-o", f"ssl_chain_cert={pair[0]},ssl_key={pair[1]}"] if pair else [])),
        }[name](self.place, self.plain)

    def _redis(self, place, plain):
        if not self.certificates:
            server = Redis(place, plain)
            server.unencrypted = server.port
            return server
        port, pair = free_port(), self.certificates.right
        server = Redis(place, plain, "--tls-port", port, "--tls-cert-file", pair[0], "--tls-key-file", pair[1],
                       "--tls-ca-cert-file", self.certificates.ca, "--tls-auth-clients", "no")
        server.unencrypted, server.port = server.port, port
        return server

    def url(self, name):
        server, tls = self.servers[name], self.certificates is not None
        scheme = {"redis": "rediss", "nats": "tls", "kafka": "kafka+tls", "http": "https", "grpc": "grpcs", "mysql": "mysqls",
                  "memcached": "memcached+tls", "tcp": "tls"}.get(name) if tls else "tcp" if name == "tcp" else None
        url = server.url(USER) if name in ("kafka", "mongodb") else server.url()
        port = self.wires[name].port if name in self.wires else server.port
        return (f"{scheme}://{url.split('://')[1]}" if scheme else url).replace(f":{server.port}", f":{port}")

    def dependency(self, name):
        where = {"command": [self.script]} if name == "exec" else {"url": self.url(name)}
        trust = {"caFile": self.certificates.ca} if self.certificates and name in NETWORK else {}
        return {"name": name, "kind": name, "class": "hard", **where, **trust, **KEYS.get(name, {})}

    def opened(self):
        return {name: wire.opened for name, wire in self.wires.items()}

    @contextlib.contextmanager
    def stopped(self, *names):
        with contextlib.ExitStack() as stack:
            for name in names or self.servers:
                stack.enter_context(self.servers[name].stopped())
            yield

    def kill(self):
        side_by_side({name: server.kill for name, server in self.servers.items()})

    def start(self):
        side_by_side({name: server.start for name, server in self.servers.items()})


class Watch:
    """Looks all the time: `fell`, `rose` and `unsure` {name: when} since the last forget(); /livez must be 200 at once."""

    def __init__(self, service):
        self.service, self.times, self.wrong = service, [], []
        self.forget()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def forget(self):
        self.fell, self.rose, self.unsure = {}, {}, {}
        return time.monotonic()

    def _watch(self):
        while not self.over.wait(0.03):
            began = time.monotonic()
            status = self.service.run.get("/livez", timeout=30).status
            self.times.append(time.monotonic() - began)
            if status != 200:
                self.wrong.append(status)
            for one in self.service.status()["dependencies"]:
                {"up": self.rose, "down": self.fell}.get(one["status"], self.unsure).setdefault(one["name"], time.monotonic())

    def took(self, began, which):
        return {name: round(when - began, 2) for name, when in sorted(which.items(), key=lambda item: item[1])}

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, failed, *_):
        self.over.set()
        self.thread.join(60)
        slow = [seconds for seconds in self.times if seconds > 1]  # of a machine that stood still; who waits for servers is it often
        assert failed or (not self.wrong and len(slow) <= 3 and len(self.times) > 20), (self.wrong, slow, len(self.times))
