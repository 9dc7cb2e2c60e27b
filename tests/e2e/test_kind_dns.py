# ctest: asan timeout=240
# SPDX-License-Identifier: Apache-2.0
"""dns against named and dnsmasq, and servers that are wrong on purpose."""
import contextlib
import os
import socket
import struct
import threading

from kinds import GROWTH, PATIENT, Prober, Server, ask, black_hole, refused_port, side_by_side
from services_net import dnsmasq, named


class Udp:
    """Answers each question by `treat(question)`: bytes or None."""

    def __init__(self, treat):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.questions = []
        threading.Thread(target=self._serve, args=(treat,), daemon=True).start()

    def _serve(self, treat):
        with contextlib.suppress(OSError):
            while True:
                question, peer = self.socket.recvfrom(4096)
                if peer is None:
                    return
                self.questions.append(question)
                answer = treat(question)
                if answer is not None:
                    self.socket.sendto(answer, peer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def reply(question, code, flags=0x8000):
    return question[:2] + struct.pack(">H", flags | code) + question[4:]


def test_every_fault_has_its_name_within_the_budget(place):
    def dependency(port):
        return {"kind": "dns", "url": f"dns://127.0.0.1:{port}", "query": "name.test"}

    def faulty(treat, timeout=PATIENT):
        def case():
            with Udp(treat) as server:
                return ask(place, dependency(server.port), timeout)
        return case

    def lost_once():
        with Udp(lambda q: reply(q, 3) if len(server.questions) > 1 else None) as server:
            return ask(place, dependency(server.port), timeout=5)

    def dead_after_silence():
        with Udp(lambda q: server.socket.close()) as server:
            return ask(place, dependency(server.port), timeout=5)

    def truncated():
        with black_hole() as port, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind(("127.0.0.1", port))
            threading.Thread(target=lambda: s.sendto(*(lambda q, peer: (reply(q, 0, 0x8200), peer))(*s.recvfrom(999))), daemon=True).start()
            return ask(place, dependency(port), timeout=1)
    seen = side_by_side({
        "dns_timeout silent": faulty(lambda q: None, 1), "dns_timeout another id": faulty(lambda q: b"\0\0" + reply(q, 0)[2:], 1),
        "dns_timeout by TCP": truncated, "dns_timeout garbage": faulty(lambda q: os.urandom(200), 1),
        "refused": lambda: ask(place, dependency(refused_port())),
        "not_ready SERVFAIL": faulty(lambda q: reply(q, 2)), "auth_failed REFUSED": faulty(lambda q: reply(q, 5)),
        "dns_nxdomain": faulty(lambda q: reply(q, 3)), "dns_nxdomain no address": faulty(lambda q: reply(q, 0)),
        "protocol_error": faulty(lambda q: reply(q, 1)), "protocol_error cut": faulty(lambda q: q[:2] + b"\x80\0\0\1\0\1\0\0\0\0\xff", 1),
        "dns_nxdomain a packet was lost": lost_once, "refused after a silence": dead_after_silence,
    })
    assert [(name, result) for name, result in seen.items() if result.said() != name.split()[0]
            and name != "protocol_error cut"] == []
    assert seen["protocol_error cut"].said() in ("protocol_error", "dns_timeout")


def test_what_real_servers_know(place, plain):
    masq, bind = dnsmasq(place), named(place)
    servers = [Server(plain, service.command, service.ping) for service in (masq, bind)]
    cases = {"up": (masq, {"query": "fixed.test"}), "up bind": (bind, {"query": "fixed.test"}),
             "up address": (bind, {"query": "fixed.test", "expect": "10.2.2.2"}),
             "not_ready another address": (masq, {"query": "fixed.test", "expect": "10.2.2.3"}),
             "dns_nxdomain": (masq, {"query": "nobody.test"}), "dns_nxdomain bind": (bind, {"query": "nobody.test"}),
             "dns_nxdomain text only": (bind, {"query": "text.test"}), "auth_failed": (bind, {"query": "somewhere.else"}),
             "threshold": (bind, {"query": "fixed.test", "min": 2})}
    seen = side_by_side({name: lambda d={"kind": "dns", "url": f"dns://localhost:{service.port}", **keys}: ask(place, d)
                         for name, (service, keys) in cases.items()})
    assert [(name, result) for name, result in seen.items() if result.said() != name.split()[0]] == []
    assert seen["up"].value == 1 and len(servers) == 2


def test_an_address_may_be_written_in_any_way(place):
    def treat(question):
        answer = b"\xc0\x0c\0\x1c\0\1\0\0\0\x3c\0\x10" + socket.inet_pton(socket.AF_INET6, "fd00::1")
        return question[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + question[12:] + answer
    with Udp(treat) as server:
        for expect, said in (("fd00::1", "up"), ("FD00:0:0::0001", "up"), ("fd00::2", "not_ready")):
            keys = {"kind": "dns", "url": f"dns://127.0.0.1:{server.port}", "query": "name.test", "expect": expect}
            assert ask(place, keys).said() == said, expect


def test_it_survives_kill_and_stop(place, plain):
    service = dnsmasq(place)
    server = Server(plain, service.command, service.ping)
    with Prober(place, {"kind": "dns", "url": f"dns://127.0.0.1:{service.port}", "query": "fixed.test"}) as prober:
        assert prober.ask().said() == "up"
        fds, rss = prober.fds(), prober.rss()
        server.kill()
        assert prober.ask().said() == "refused"
        server.start()
        prober.until("up")
        with server.stopped():
            assert prober.ask(1).said() == "dns_timeout"
        prober.until("up")
        for _ in range(200):
            assert prober.ask().said() == "up"
        assert prober.fds() == fds and prober.rss() < rss + GROWTH


def test_the_system_is_asked_without_a_server(place):
    result = ask(place, {"kind": "dns", "url": "dns://", "query": "nobody.invalid"}, timeout=2)
    assert result.said() != "up" and result.status == "down"
