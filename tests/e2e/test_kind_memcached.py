# ctest: asan timeout=120
# SPDX-License-Identifier: Apache-2.0
"""memcached with and without TLS and logins, and servers that are wrong on purpose."""
import socket

import pytest

from kinds import GROWTH, Certificates, Faulty, Prober, Server, ask, closes_after, faults, outlives, side_by_side
from lifesign import free_port, wait_until
from services_more import converse, user_of


class Memcached(Server):
    def __init__(self, place, plain, *options):
        self.port = free_port()
        user = ["-u", "nobody"] if user_of("nobody") else []
        super().__init__(plain, ["/usr/bin/memcached", "-l", "127.0.0.1", "-p", self.port, "-U", 0, "-t", 2, *user, *options], self.listens)

    def listens(self):
        with socket.socket() as link:
            return link.connect_ex(("127.0.0.1", self.port)) == 0

    def url(self, user="", scheme="memcached", host="127.0.0.1"):
        return f"{scheme}://{user}{host}:{self.port}"


def all_of(place, cases):
    """{name: (url, keys)} asked side by side; each name begins with what must be said."""
    seen = side_by_side({name: lambda d={"url": url, **keys}: ask(place, d) for name, (url, keys) in cases.items()})
    assert {name: result for name, result in seen.items() if result.said() != name.split()[0]} == {}
    return seen


def plain_one(port):
    return {"url": f"memcached://127.0.0.1:{port}"}


@pytest.mark.parametrize("scheme, start, broken", [("memcached", b"VERSI", "protocol_error"), ("memcached+tls", b"\x16\x03\x03", "tls_error")])
def test_every_fault_has_its_name_within_the_budget(place, scheme, start, broken):
    keys = {"tlsVerify": False} if "tls" in scheme else {}
    seen = faults(place, lambda port: {"url": f"{scheme}://127.0.0.1:{port}", **keys}, start, timeout=1.5)
    assert {fault: result.said() for fault, result in seen.items()} == {
        "refused": "refused", "black hole": "connect_timeout", "silent": "timeout", "garbage": broken, "drip": "timeout",
        "closes mid-answer": broken, "closes at once": broken, "resets": broken}, seen


def test_what_the_answer_must_be(place, plain):
    cache = Memcached(place, plain)
    locked = Memcached(place, plain, "-Y", place.file("users", "probe:se#cret\n"))
    converse(cache.port, b"set k 0 0 1\r\n5\r\n")
    secret = {"passwordFile": place.file("password", "se#cret\n", mode=0o600)}
    over = {"passwordFile": place.file("wrong", "other", mode=0o600)}
    seen = all_of(place, {
        "up": (cache.url(), {}),
        "up by name": (cache.url(host="localhost"), {}),
        "up number": (cache.url(), {"command": "curr_items", "min": 1, "max": 1}),
        "up of a group": (cache.url(), {"command": "settings num_threads", "min": 2, "max": 2}),
        "threshold": (cache.url(), {"command": "curr_items", "max": 0}),
        "protocol_error no such": (cache.url(), {"command": "nothing", "max": 0}),
        "protocol_error no number": (cache.url(), {"command": "version", "max": 0}),
        "up password": (locked.url("probe@"), secret),
        "up password and number": (locked.url("probe:se%23cret@"), {"command": "curr_items", "min": 0}),
        "up nobody asks": (cache.url("probe@"), secret),
        "auth_failed": (locked.url("probe@"), over),
        "auth_failed user": (locked.url("other@"), secret),
        "auth_failed none": (locked.url(), {}),
    })
    assert (seen["up number"].value, seen["up of a group"].value) == (1, 2)
    assert converse(cache.port, b"get lifesign\r\n") == [b"END\r\n"]  # a login is no item
    assert not any("se#cret" in repr(r) for r in seen.values())


def test_tls_is_verified(place, plain):
    certificates = Certificates(place)
    ca = {"caFile": certificates.ca}
    right, wrong, expired = (Memcached(place, plain, "-Z", "-o", f"ssl_chain_cert={pair[0]},ssl_key={pair[1]}") for pair in (
        certificates.right, certificates.wrong, certificates.expired))
    seen = all_of(place, {name: (server.url(scheme="memcached+tls", host="localhost"), keys) for name, server, keys in (
        ("up", right, ca), ("up unverified", wrong, {"tlsVerify": False}), ("tls_error unknown authority", right, {}),
        ("tls_error wrong host", wrong, ca), ("tls_error expired", expired, ca))})
    assert seen["up"].phases["tls"] > 0


def test_a_full_server(place, plain):
    cache = Memcached(place, plain, "-c", "40")
    with Prober(place, {"url": cache.url()}) as kept:
        assert kept.ask().said() == "up"
        held = [socket.create_connection(("127.0.0.1", cache.port)) for _ in range(45)]
        wait_until(lambda: ask(place, {"url": cache.url()}).said() == "saturated", 30, "all of them were let in")
        for tries in range(4):
            assert ask(place, {"url": cache.url()}).said() == "saturated", tries
            assert kept.ask().said() == "up"
        for link in held:
            link.close()
        wait_until(lambda: ask(place, {"url": cache.url()}).said() == "up", 30)


@pytest.mark.parametrize("keys", [{}, {"command": "curr_items", "max": 5}], ids=["version", "stats"])
def test_one_kept_connection_survives_kill_and_stop(place, plain, keys):
    cache = Memcached(place, plain)
    with Prober(place, {"url": cache.url(), **keys}) as prober:
        outlives(cache, prober)
        fds, rss = prober.fds(), prober.rss()
        before = converse(cache.port, b"stats\r\n")[0].split(b"total_connections ")[1].split()[0]
        for _ in range(500):
            assert prober.ask().said() == "up"
        after = converse(cache.port, b"stats\r\n")[0].split(b"total_connections ")[1].split()[0]
        assert int(after) == int(before) + 1
        assert prober.fds() == fds and prober.rss() < rss + GROWTH and prober.threads() == 1


@pytest.mark.parametrize("answer, said", [
    (b"ERROR\r\n", "protocol_error"), (b"SERVER_ERROR out of memory storing object\r\n", "saturated"), (b"SERVER_ERROR x\r\n", "not_ready"),
    (b"ERROR Too many open connections\r\n", "saturated"), (b"HTTP/1.1 400 Bad Request\r\n\r\n", "protocol_error"),
    (b"STAT x " + b"1" * 5000 + b"\r\nEND\r\n", "protocol_error"), (b"VERSION 1.6\r\n", "up"), (b"CLIENT_ERROR unauthenticated\r\n", "auth_failed")])
def test_what_else_a_server_says(place, answer, said):
    with Faulty(closes_after(answer)) as server:
        assert ask(place, plain_one(server.port)).said() == said


def test_answers_that_never_end_are_cut(place):
    def treat(connection):
        connection.recv(4096)
        while True:
            connection.sendall(b"STAT a 1\r\n" * 1000)
    with Faulty(treat) as server:
        assert ask(place, {**plain_one(server.port), "command": "a"}).said() == "protocol_error"


def test_wrong_configurations_say_what_is_allowed(place):
    prober = Prober(place, {"url": "memcached://127.0.0.1", "command": "a b c"})
    assert prober.process.wait(10) > 2
    assert "GROUP NAME" in prober.complaint()
